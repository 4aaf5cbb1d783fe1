"""`sandbox kubernetes fault VERB ...`: make something go wrong with clusters, machines, guests or disks, and right again."""

from __future__ import annotations

import argparse
from typing import Any

from sandbox.kubernetes.agent.guests import DEEDS
from sandbox.kubernetes.agent.machines import MODES
from sandbox.kubernetes.detached import Detached
from sandbox.kubernetes.served import VERBS
from sandbox.processes import ProcessError
from sandbox.stack import post

# null gives the taints back to DRBD's own judgement.
QUORUM = {"lose-quorum": ["drbd.linbit.com/lost-quorum"], "regain-quorum": None}

_EPILOG = """examples:
  sandbox kubernetes fault power-off cluster1                  the site is gone, with its guests and its API
  sandbox kubernetes fault node cluster1 cluster1-node1 dead   one machine; `alive` brings it back
  sandbox kubernetes fault guest cluster1 default/web hang     a guest that ignores shutdown
  sandbox kubernetes fault times cluster2 boot=20 stop=60      slow guests
  sandbox kubernetes fault lose-quorum cluster2                taints, put back as fast as they are removed
  sandbox kubernetes fault cut cluster1 cluster2               replication between the sites; `heal` mends it
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand for each verb."""
    parser.epilog, parser.formatter_class = _EPILOG, argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in VERBS:
        verbs.add_parser(verb, help=f"{verb} of a whole cluster").add_argument("cluster")
    node = verbs.add_parser("node", help="one machine")
    node.add_argument("cluster")
    node.add_argument("node")
    node.add_argument("mode", choices=MODES)
    guest = verbs.add_parser("guest", help="one guest")
    guest.add_argument("cluster")
    guest.add_argument("vm", metavar="NAMESPACE/VM", type=_vm)
    guest.add_argument("deed", choices=DEEDS)
    times = verbs.add_parser("times", help="how long things take")
    times.add_argument("cluster")
    times.add_argument("times", nargs="+", metavar="NAME=SECONDS", type=_time)
    for verb in QUORUM:
        verbs.add_parser(
            verb, help="quorum taints on every node of a cluster, kept there; or not any more"
        ).add_argument("cluster")
    for verb in ("cut", "heal"):
        link = verbs.add_parser(verb, help=f"{verb} the link between two sites' disks")
        link.add_argument("cluster")
        link.add_argument("other")


def run(parsed: argparse.Namespace, detached: Detached) -> None:
    """Send it to whoever plays that part (ProcessError with its words when it refuses)."""
    world = detached.description
    match parsed.verb:
        case "node":
            post(f"{_agent(world, parsed.cluster)}/nodes/{parsed.node}", {"mode": parsed.mode})
        case "guest":
            post(f"{_agent(world, parsed.cluster)}/guests/{parsed.vm}", {"do": parsed.deed})
        case "times":
            post(f"{_agent(world, parsed.cluster)}/times", dict(parsed.times))
        case "lose-quorum" | "regain-quorum":
            for node in _plane(world, parsed.cluster)["nodes"]:
                post(f"{world['storage']}/drbd/taints/{node}", {"keys": QUORUM[parsed.verb]})
        case "cut" | "heal":
            post(f"{world['storage']}/links/{parsed.verb}", {"sites": [parsed.cluster, parsed.other]})
        case verb:
            post(f"{world['control']}/planes/{parsed.cluster}/{verb}", {})


def _agent(world: dict[str, Any], cluster: str) -> str:
    return str(_plane(world, cluster)["agent"])


def _plane(world: dict[str, Any], cluster: str) -> dict[str, Any]:
    if cluster not in world["planes"]:
        raise ProcessError(f"there is no cluster {cluster}; there are {', '.join(world['planes'])}")
    plane: dict[str, Any] = world["planes"][cluster]
    return plane


def _vm(text: str) -> str:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/VM, such as default/web")
    return text


def _time(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    try:
        return name, float(seconds)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SECONDS, such as boot=5") from error
