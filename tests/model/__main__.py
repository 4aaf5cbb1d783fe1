"""The command line: `python -m tests.model [-s NAME…] [--without RULE…] [--matrix] [--walk SEED] [--list]`. Exit 1 when a property broke."""

import argparse
import sys

from .model import Model
from .rules import RULES, Property, Rules
from .scenarios import SCENARIOS, WALKS, WITHOUT
from .search import MOST_STATES, Search, walks


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("-s", "--scenario", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="NAME")
    parser.add_argument("--without", nargs="+", choices=RULES, default=[], metavar="RULE", help="all rules but these")
    parser.add_argument("--aside", nargs="+", choices=[it.name for it in Property], default=[], metavar="PROPERTY")
    parser.add_argument("--matrix", action="store_true", help="take each rule out where its absence shows")
    parser.add_argument("--walk", type=int, metavar="SEED", help="random schedules instead")
    parser.add_argument("--seconds", type=float, default=60, help="for each kind of random schedule")
    parser.add_argument("--states", type=int, default=MOST_STATES, help="bound of one search")
    parser.add_argument("--list", action="store_true", help="rules, properties, scenarios")
    options = parser.parse_args()
    if options.list:
        return _list()
    if options.matrix:
        return _matrix(options.states)
    rules = Rules().without(*options.without)
    broken = 0
    if options.walk is not None:
        for name, budget in WALKS.items():
            result = walks(Model(rules, budget), seed=options.walk, seconds=options.seconds)
            print(f"{name}, seed {options.walk}: {result.text()}", flush=True)
            broken += result.broken is not None
        return int(broken > 0)
    for name in options.scenario:
        scenario = SCENARIOS[name]
        model = Model(rules, scenario.budget, retain=scenario.retain)
        result = Search(model, aside=options.aside, most_states=options.states).run()
        print(f"{name}: {result.text()}", flush=True)
        broken += result.broken is not None
    return int(broken > 0)


def _matrix(most_states: int) -> int:
    """Exit 1 when a rule's absence does not show."""
    missing = 0
    for rule, where in WITHOUT.items():
        scenario = SCENARIOS[where.scenario]
        model = Model(Rules().without(rule, *where.also), scenario.budget, retain=scenario.retain)
        result = Search(model, aside=where.aside, most_states=most_states).run()
        print(f"without {' '.join((rule, *where.also))}, {where.scenario}: {result.text()}", flush=True)
        missing += result.broken != where.breaks.name
    return int(missing > 0)


def _list() -> int:
    print("rules:", ", ".join(RULES))
    for item in Property:
        print(f"property {item.name}: {item.value}")
    for name, scenario in SCENARIOS.items():
        print(f"scenario {name}:", ", ".join(f"{k}={v}" for k, v in scenario.budget._asdict().items() if v))
    return 0


if __name__ == "__main__":
    sys.exit(main())
