"""`sandbox kubernetes ...`: three clusters in the background, to play with."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from pathlib import Path

from sandbox.kubernetes import served, verbs
from sandbox.kubernetes.attached import AttachedWorld
from sandbox.kubernetes.check import cli as check
from sandbox.kubernetes.demo import command as demo
from sandbox.kubernetes.detached import Detached
from sandbox.kubernetes.playground import populate

_TRY_BARE = "Then `kubectl --context cluster2 get vm -A`, `virtctl`, `helm`."
_TRY = """Then, for example:
  kubectl get protectiongroups -n site-recovery -o wide      what is protected, and where it runs
  pgctl status                                               every cluster, controller and group
  ./intelligent-pg-failover-crd.sh pg-a --to-cluster2        move a group there ...
  pgctl failback pg-a --wait                                 ... and home again
  sandbox kubernetes fault power-off cluster1                lose the first cluster; power-on brings it back
  pgctl failover pg-a --to cluster2 --type unplanned --confirm-source-down --wait
  pgctl operations list                                      what was done, and how it ended
docs/tutorial-kubernetes.md goes on from here. To end everything: make kubernetes-down"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """demo, up, down, status, fault, check, world."""
    commands = parser.add_subparsers(dest="kubernetes", required=True, metavar="COMMAND")
    for name, run, text in (
        ("demo", _demo, "watch the documented scenarios and a lost cluster"),
        ("up", _up, "cluster1, cluster2 and the quorum cluster, detached"),
        ("down", _down, "end them"),
        ("status", _status, "what runs, and where"),
        ("world", _world, "what `up` starts, in the foreground"),
        ("fault", _fault, "make something go wrong"),
        ("check", check.run, "look at clusters, machines and disks for what must never be"),
    ):
        command = commands.add_parser(name, help=text)
        default = Path(os.environ.get("SANDBOX_KUBERNETES", ".sandbox/kubernetes"))
        command.add_argument(
            "--state",
            type=Path,
            default=default,
            help="their directory (default: SANDBOX_KUBERNETES or .sandbox/kubernetes)",
        )
        command.set_defaults(run=run)
        if name == "up":
            command.add_argument(
                "--site-recovery", action="store_true", help="with Site Recovery installed and two groups of VMs"
            )
        if name == "fault":
            verbs.add_arguments(command)
        if name == "check":
            check.add_arguments(command)


def _demo(parsed: argparse.Namespace) -> int:
    return demo.run(parsed.state / "demo")


def _up(parsed: argparse.Namespace) -> int:
    detached = Detached(parsed.state)
    print("Starting what does not run yet; half a minute and 3 GB ...", flush=True)
    detached.up(say=_say)
    if parsed.site_recovery:
        with contextlib.closing(AttachedWorld(detached.state)) as world:
            populate(world, detached.state, _say)
    _status(parsed)
    print(f"\nTo use them:  cd {detached.state} && source env")
    print(_TRY if parsed.site_recovery else _TRY_BARE)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _down(parsed: argparse.Namespace) -> int:
    detached = Detached(parsed.state)
    print("stopped the clusters" if detached.down() else f"nothing ran in {detached.state}")
    return 0


def _status(parsed: argparse.Namespace) -> int:
    """0 when the world runs; 1 otherwise."""
    detached = Detached(parsed.state)
    if detached.process is None:
        print(f"nothing runs in {detached.state}")
        return 1
    world = detached.description
    print(f"{'world':<16} running, pid {detached.process.pid}, control {world['control']}")
    for name, plane in world["planes"].items():
        print(f"{name:<16} {plane['url']}   machines {plane['agent']} ({', '.join(plane['nodes'])})")
    print(f"{'LINSTOR':<16} {world['linstor']}   disks {world['storage']}")
    for name in served.KUBECONFIGS:
        print(f"{'kubeconfig':<16} {detached.state / f'{name}.kubeconfig'}")
    return 0


def _fault(parsed: argparse.Namespace) -> int:
    verbs.run(parsed, Detached(parsed.state))
    print("done")
    return 0


def _world(parsed: argparse.Namespace) -> int:
    parsed.state.mkdir(parents=True, exist_ok=True)
    asyncio.run(served.run(parsed.state.resolve()))
    return 0
