"""`sandbox fault …`: readable verbs over the control port, and over the engines' processes."""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.processes import ProcessError
from sandbox.stack import Stack, engine_name, post

Verb = Callable[[argparse.Namespace, Stack], Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command per verb."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (text, arguments, _) in _VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        # Also behind the verb, where hands put it; absent, it leaves alone what stood before the verb.
        verb.add_argument("--state", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        for argument in arguments:
            verb.add_argument(argument)
        if name in ("fail-next", "slow", "hang-next", "late-next"):
            _add_rule_options(verb)


def _add_rule_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--method", help="only this HTTP method")
    verb.add_argument("--path", default="", help="regular expression searched in path?query")
    verb.add_argument("--body", help="regular expression searched in the request body")
    verb.add_argument("--times", type=int, default=1, help="how many calls; 0 for all from now on")
    verb.add_argument("--status", type=int, default=500, help="HTTP status; 0 drops the connection")
    verb.add_argument("--applied", action="store_true", help="apply the call, then fail")
    verb.add_argument("--seconds", type=float, default=5.0, help="how late the answer comes")


def run(arguments: argparse.Namespace) -> int:
    """Do the verb and print what the world answers."""
    answer = _VERBS[arguments.verb][2](arguments, Stack(arguments.state))
    print(json.dumps(answer, indent=2))
    return 0


def control(stack: Stack) -> str:
    """Where the control port is: what the world in the state directory says, or SANDBOX_CONTROL where there is none."""
    try:
        return str(stack.description["control"])
    except ProcessError:
        if "SANDBOX_CONTROL" not in os.environ:
            raise
        return os.environ["SANDBOX_CONTROL"]


def _site(state: str) -> Verb:
    return lambda arguments, stack: post(f"{control(stack)}/sites/{arguments.site}/{state}", {})


def _link(state: str) -> Verb:
    return lambda arguments, stack: post(
        f"{control(stack)}/links/{state}", {"sites": [arguments.site, arguments.other]}
    )


def _rule(mode: str) -> Verb:
    def add(arguments: argparse.Namespace, stack: Stack) -> Any:
        rule = {
            "target": arguments.target,
            "method": arguments.method,
            "path": arguments.path,
            "body": arguments.body,
            "mode": "apply_then_fail" if mode == "fail" and arguments.applied else mode,
            "times": arguments.times or None,
            "status": arguments.status,
            "delay": arguments.seconds if mode in ("delay", "late") else 0.0,
        }
        return post(f"{control(stack)}/faults", rule)

    return add


def _list(arguments: argparse.Namespace, stack: Stack) -> Any:
    return post(f"{control(stack)}/faults", {}, "GET")


def _clear(arguments: argparse.Namespace, stack: Stack) -> Any:
    return post(f"{control(stack)}/faults", {}, "DELETE")


def _expire(arguments: argparse.Namespace, stack: Stack) -> Any:
    return post(f"{control(stack)}/clouds/{arguments.site}/tokens/expire", {})


def _advance(arguments: argparse.Namespace, stack: Stack) -> Any:
    return post(f"{control(stack)}/clock/advance", {"seconds": _number(arguments.seconds)})


def _fail_builds(arguments: argparse.Namespace, stack: Stack) -> Any:
    return post(f"{control(stack)}/clouds/{arguments.site}/builds/fail", {"count": int(arguments.count)})


def _hang_guest(arguments: argparse.Namespace, stack: Stack) -> Any:
    return post(f"{control(stack)}/clouds/{arguments.site}/guests/hang", {"servers": [arguments.server]})


def _revoke_role(arguments: argparse.Namespace, stack: Stack) -> Any:
    body = {"user": arguments.user, "project": arguments.project, "role": arguments.role}
    return post(f"{control(stack)}/clouds/{arguments.site}/roles/revoke", body)


def _engine(number: signal.Signals) -> Verb:
    def send(arguments: argparse.Namespace, stack: Stack) -> Any:
        stack.registry.send(engine_name(arguments.site), number)
        return {"engine": arguments.site, "signal": number.name}

    return send


def _kill_protector(arguments: argparse.Namespace, stack: Stack) -> Any:
    stack.kill_protector(arguments.site)
    return {"protector": arguments.site, "signal": signal.SIGKILL.name}


def _start_protector(arguments: argparse.Namespace, stack: Stack) -> Any:
    stack.start_protector(arguments.site)
    return {"protector": arguments.site, "started": True}


def _latency(arguments: argparse.Namespace, stack: Stack) -> Any:
    return post(f"{control(stack)}/latency", {arguments.what: _number(arguments.seconds)})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number of seconds") from None


def _start_engine(arguments: argparse.Namespace, stack: Stack) -> Any:
    if not stack.conf_file(arguments.site).exists():
        raise ProcessError(f"{arguments.site} has no Protector; `sandbox up` makes one")
    stack.start_engine(arguments.site)
    return {"engine": arguments.site, "pid": stack.registry.find(engine_name(arguments.site)).pid}


_VERBS: Mapping[str, tuple[str, tuple[str, ...], Verb]] = {
    "site-down": ("lose a whole site: cloud, array and Protector's door", ("site",), _site("down")),
    "site-up": ("bring it back", ("site",), _site("up")),
    "cut": ("keep two sites from seeing each other", ("site", "other"), _link("cut")),
    "heal": ("let them see each other again", ("site", "other"), _link("heal")),
    "fail-next": ("fail the next calls of a target, such as site-b/volume or array-b", ("target",), _rule("fail")),
    "slow": ("answer late, after applying", ("target",), _rule("delay")),
    "late-next": ("apply late, though the caller has gone away", ("target",), _rule("late")),
    "hang-next": ("never answer", ("target",), _rule("hang")),
    "list": ("what is in force", (), _list),
    "clear": ("lift every fault, loss and cut", (), _clear),
    "expire-tokens": ("forget every token of a site", ("site",), _expire),
    "revoke-role": ("take a role away from a user", ("site", "user", "project", "role"), _revoke_role),
    "advance": ("move the world's clock forward", ("seconds",), _advance),
    "fail-builds": ("have the next servers of a site end in ERROR", ("site", "count"), _fail_builds),
    "hang-guest": ("have a server ignore being stopped", ("site", "server"), _hang_guest),
    "latency": ("say how long something takes, such as boot 8", ("what", "seconds"), _latency),
    "kill-protector": ("kill -9 a site's API and engine", ("site",), _kill_protector),
    "start-protector": ("start them again", ("site",), _start_protector),
    "kill-engine": ("kill -9 a site's engine", ("site",), _engine(signal.SIGKILL)),
    "freeze-engine": ("stop it in mid-step without its noticing", ("site",), _engine(signal.SIGSTOP)),
    "thaw-engine": ("let it go on", ("site",), _engine(signal.SIGCONT)),
    "start-engine": ("start it again", ("site",), _start_engine),
}
