"""Ends the test bed when whoever uses it is gone, however that came about.

The services run in sessions of their own, so a killed test run would leave some thirty of them. A guardian holds the
other end of a pipe: when that closes without a farewell, it stops everything. It also holds the test bed's lock, so that
the next run waits until it is through.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from .layout import HERE, Layout

FAREWELL = b"all is down"
PATIENCE = 120.0  # seconds for stopping everything


@contextlib.contextmanager
def watching(layout: Layout, lock: int) -> Iterator[None]:
    """A guardian for as long as this lasts. Left by an error it ends the test bed, left in peace it only goes."""
    path = os.pathsep.join(filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH")]))
    log = layout.log / "guardian.out"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        guardian = subprocess.Popen(
            [sys.executable, "-m", "real.testbed", "guard"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": path, "SITERECOVERY_CACHE": str(layout.root.parent)},
            pass_fds=(lock,),
            start_new_session=True,  # a Ctrl-C in the terminal is for the tests
        )
    assert guardian.stdin is not None
    try:
        with guardian.stdin:
            yield
            guardian.stdin.write(FAREWELL)
    finally:
        guardian.wait(PATIENCE)


def abandoned() -> bool:
    """Wait until the other end of standard input is closed; whether it was without a farewell."""
    return sys.stdin.buffer.read() != FAREWELL
