"""python -m sandbox.kubernetes.drbd: the DRBD world on its own, in the foreground.

Prints one line `READY {json}` when all ports answer; ends on SIGTERM or SIGINT, and with --end-with-parent also with the process that
started it. What it holds is in memory only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys

from sandbox.kubernetes.drbd.model import Node
from sandbox.kubernetes.drbd.server import Running, World, start
from sandbox.processes import end_with_parent

_NODES = (
    *(f"{cluster}/{cluster}-node{number}" for cluster in ("cluster1", "cluster2") for number in (1, 2)),
    "quorum/quorum-node1=",
)


def parse_node(text: str) -> Node:
    """`cluster/node`, `cluster/node=pool`, or `cluster/node=` for one without storage."""
    place, equals, pool = text.partition("=")
    cluster, slash, name = place.partition("/")
    if not (slash and cluster and name):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not CLUSTER/NODE or CLUSTER/NODE=POOL, such as cluster1/worker-1"
        )
    return Node(name, cluster, pool if equals else "pool")


def main() -> int:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.kubernetes.drbd", description=__doc__)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument(
        "--linstor-port",
        type=int,
        action="append",
        help="repeat for more addresses of the controller; default one free port",
    )
    parser.add_argument(
        "--node", type=parse_node, action="append", metavar="CLUSTER/NODE[=POOL]", help=f"default {' '.join(_NODES)}"
    )
    parser.add_argument("--home", default="quorum", help="the cluster in which LINSTOR's controller runs")
    parser.add_argument("--resync-seconds", type=float, default=1.0)
    parser.add_argument("--end-with-parent", action="store_true")
    arguments = parser.parse_args()
    if arguments.end_with_parent:
        end_with_parent()
    asyncio.run(_main(arguments))
    return 0


async def _main(arguments: argparse.Namespace) -> None:
    world = World(arguments.node or map(parse_node, _NODES), arguments.home)
    world.drbd.settings.resync_seconds = arguments.resync_seconds
    running: Running = await start(world, arguments.control_port, arguments.linstor_port or [0])
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    print("READY", json.dumps({"control": running.control, "linstor": running.controllers}), flush=True)
    await told.wait()
    await running.close()


if __name__ == "__main__":
    sys.exit(main())
