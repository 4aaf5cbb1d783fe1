"""A demo that a test watches: its output in a file, its keys pressed, and a look for processes that stayed."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.site_pair import wait_for


def environment(variable: str, state: Path) -> dict[str, str]:
    """The caller's own, without what `make`, a cloud or a cluster would add to it; the sandbox works in `state`, which `variable` names."""
    unwanted = re.compile("MAKE.*|MFLAGS|OS_.*|KUBECONFIG|PGCTL.*|SANDBOX_.*")
    kept = {key: value for key, value in os.environ.items() if not unwanted.fullmatch(key)}
    return {**kept, variable: str(state)}


def left(state: Path) -> list[str]:
    """The command lines of living processes that have anything to do with a directory."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended while we looked
            continue
        if str(state) in line:
            found.append(line)
    return found


def hears_ctrl_c() -> None:
    """As in a terminal: who starts tests in a shell's background hands an ignored SIGINT down to all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Playing:
    """A demo under way, its output in a file."""

    def __init__(self, state: Path, command: Sequence[str | Path], env: dict[str, str]) -> None:
        self.state = state / "demo"
        self.output = state / "output.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=hears_ctrl_c,
            )

    def until(self, text: str) -> None:
        def there() -> bool:
            assert self.process.poll() is None, self.said
            return text in self.said

        wait_for(text, 300, there)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    @property
    def said(self) -> str:
        return self.output.read_text()
