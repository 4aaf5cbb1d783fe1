"""`protector-engine`: runs operations. SIGTERM hands over what is under way; SIGKILL costs the next engine a look, nothing else."""

import asyncio
import logging
import signal
from collections.abc import Sequence

from siterecovery.protector.engine import Engine, EngineSettings
from siterecovery.protector.planning import Limits, Planning
from siterecovery.protector.processes import entry, wiring
from siterecovery.protector.processes.settings import Settings
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.workers import ThreadWorkers

LOG = logging.getLogger(__name__)
NAME = "protector-engine"


def main(arguments: Sequence[str] | None = None) -> int:
    given = entry.parser(NAME, "Run Protector's operations.").parse_args(arguments)
    return entry.run(NAME, given.config_file, work, logging=True)


def work(found: Settings) -> None:
    parts = wiring.make_parts(found)
    workers = ThreadWorkers(found.engine.threads)
    try:
        asyncio.run(run(parts, workers))
    finally:
        workers.close()
        parts.close()


def make_engine(parts: wiring.Parts, workers: ThreadWorkers) -> Engine:
    wanted = parts.settings.engine
    limits = Limits(wanted.stop_timeout, wanted.boot_timeout, wanted.transfer_timeout)
    planning = Planning(parts.store, parts.clouds, parts.drivers, parts.peers, limits)
    engine = EngineSettings(wanted.poll_interval, wanted.lease_ttl, wanted.duty_interval, wanted.operations)
    return Engine(parts.store, planning, SystemClock(), workers, engine, duties=parts.duties)


async def run(parts: wiring.Parts, workers: ThreadWorkers) -> None:
    """Until SIGTERM or SIGINT."""
    engine = make_engine(parts, workers)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, engine.stop)
    LOG.info("protector-engine %s of %s is up", engine.name, parts.settings.site_name)
    await engine.run()
