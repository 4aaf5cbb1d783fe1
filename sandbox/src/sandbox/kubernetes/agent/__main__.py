"""python -m sandbox.kubernetes.agent SETTINGS"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

from sandbox.kubernetes.agent.agent import Agent
from sandbox.kubernetes.agent.settings import Settings


async def _run(settings: Settings) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await Agent(settings).run()


def main() -> int:
    """Until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stdout)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        asyncio.run(_run(Settings.read(Path(sys.argv[1]))))
    except asyncio.CancelledError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
