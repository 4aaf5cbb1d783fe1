"""`protector-engine`: runs operations. SIGTERM hands over what is under way; SIGKILL costs the next engine a look, nothing else."""

import asyncio
import logging
import signal
import sys

from siterecovery.protector.processes import command, logs, wiring
from siterecovery.protector.processes.settings import Settings
from siterecovery.workflow.clock import SystemClock
from siterecovery.workflow.workers import ThreadWorkers

LOG = logging.getLogger(__name__)


def main() -> None:
    arguments = command.parser("protector-engine", "Protector's engine").parse_args()
    sys.exit(command.run(arguments, work))


def work(settings: Settings) -> None:
    logs.set_up(debug=settings.debug, log_file=settings.log_file)
    parts = wiring.assemble(settings)
    workers = ThreadWorkers(settings.engine.threads)
    try:
        asyncio.run(_run(parts, workers))
    finally:
        workers.close()
        parts.close()


async def _run(parts: wiring.Parts, workers: ThreadWorkers) -> None:
    engine = wiring.make_engine(parts, SystemClock(), workers)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, engine.stop)
    LOG.info("protector-engine %s of %s is up", engine.name, parts.settings.site_name)
    await engine.run()
