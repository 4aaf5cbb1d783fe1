"""`sandbox array`: linked arrays on their own, in the foreground, for a real OpenStack's Cinder to use.

Prints one line `READY {json}` when all ports answer, keeps its state in --state over restarts, ends on SIGTERM or SIGINT,
and with --end-with-parent also when the process that started it dies.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import signal
from dataclasses import dataclass
from pathlib import Path

from sandbox.array import control, store
from sandbox.array.fabric import Fabric
from sandbox.array.server import ArrayServers, servers
from sandbox.clock import Clock
from sandbox.control import make_app
from sandbox.faults import Faults
from sandbox.http import CallLog, serve

_SAVE_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Spec:
    """One array on the command line: name=port:token[,token…][@site]."""

    name: str
    port: int
    tokens: list[str]
    site: str


def parse_spec(text: str) -> Spec:
    """Read name=port:token; argparse shows the error."""
    name, equals, rest = text.partition("=")
    rest, _, site = rest.partition("@")
    port, colon, tokens = rest.partition(":")
    if not (name and equals and colon and tokens and port.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not name=port:token, such as array-a=24431:secret@site-a")
    return Spec(name, int(port), tokens.split(","), site or name.replace("array-", "site-"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options, also for the `sandbox` command's sub-parser."""
    parser.add_argument("--state", type=Path, required=True, help="directory for certificate and saved arrays")
    parser.add_argument(
        "--array",
        type=parse_spec,
        action="append",
        metavar="NAME=PORT:TOKEN[@SITE]",
        help="repeat for each array; default array-a=0:token-a and array-b=0:token-b (port 0 takes a free one)",
    )
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--end-with-parent", action="store_true", help="end when the starting process dies")
    parser.add_argument("--transfer-seconds", type=float, default=1.0, help="how long a replication transfer takes")


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to end; the exit status."""
    specs = arguments.array or [parse_spec("array-a=0:token-a"), parse_spec("array-b=0:token-b")]
    if arguments.end_with_parent:
        _end_with_parent()
    asyncio.run(_main(arguments.state, specs, arguments.control_port, arguments.transfer_seconds))
    return 0


def main() -> int:
    """python -m sandbox.array"""
    parser = argparse.ArgumentParser(prog="sandbox array", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args())


async def _main(state: Path, specs: list[Spec], control_port: int, transfer_seconds: float) -> None:
    clock, faults, calls = Clock(), Faults(), CallLog()
    fabric = Fabric(clock, faults)
    for spec in specs:
        fabric.add(spec.name, spec.site)
    fabric.connect_all()
    for one in fabric.arrays.values():
        for other in fabric.peers(one):
            fabric.link(one, other).transfer_seconds = transfer_seconds
    store.load_fabric(fabric, state)
    fronts = servers(state)
    for spec in specs:
        await fronts.add(fabric.arrays[spec.name.lower()], spec.tokens, calls, port=spec.port)
    app = make_app(clock, faults, calls, {array.site for array in fabric.arrays.values()})
    control.add_routes(app, fabric, fronts.fronts)
    runner, port = await serve(app, port=control_port)
    print("READY", json.dumps(_describe(fabric, fronts, port)), flush=True)
    try:
        await _until_told(fabric, state)
    finally:
        await fronts.close()
        await runner.cleanup()
        store.save_fabric(fabric, state)


def _describe(fabric: Fabric, fronts: ArrayServers, control_port: int) -> dict[str, object]:
    arrays = {
        array.name: {
            "url": f"https://127.0.0.1:{fronts.ports[array.name]}",
            "port": fronts.ports[array.name],
            "id": array.id,
            "site": array.site,
        }
        for array in fabric.arrays.values()
    }
    return {"control": f"http://127.0.0.1:{control_port}", "ca": str(fronts.certificate.resolve()), "arrays": arrays}


async def _until_told(fabric: Fabric, state: Path) -> None:
    """Save every few seconds until a signal comes."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    while not told.is_set():
        store.save_fabric(fabric, state)
        try:
            await asyncio.wait_for(told.wait(), _SAVE_SECONDS)
        except TimeoutError:
            continue


def _end_with_parent() -> None:
    """Have the kernel end us with the process that started us, so that a killed test leaves nothing behind."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
