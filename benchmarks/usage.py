"""What processes have used, from /proc: CPU in seconds, memory in MB (2^20 bytes); and how busy the whole machine was."""

import contextlib
import dataclasses
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Usage:
    """`waited`: seconds its living threads were ready to run and no core was free."""

    cpu: float
    peak: float
    """The most memory it ever held (VmHWM)."""
    waited: float = 0.0

    def since(self, before: "Usage") -> "Usage":
        """CPU and waiting count from `before`; the peak is the process's."""
        return Usage(self.cpu - before.cpu, self.peak, self.waited - before.waited)


def of(pid: int) -> Usage:
    """Raises OSError when the process is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    (peak,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, peak / 1024, _waited(pid))


def _waited(pid: int) -> float:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread may end while we look
            total += int((task / "schedstat").read_text().split()[1])
    return total / 1e9


def machine() -> float:
    """Seconds that all cores together have worked since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq = fields[:7]
    return (user + nice + system + irq + softirq) / _TICKS
