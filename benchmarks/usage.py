"""What processes have used, from /proc: CPU in seconds, memory in MB (2^20 bytes)."""

import dataclasses
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Usage:
    cpu: float
    peak: float
    """The most memory it ever held (VmHWM)."""

    def since(self, before: "Usage") -> "Usage":
        """CPU counts from `before`; the peak is the process's."""
        return Usage(self.cpu - before.cpu, self.peak)


def of(pid: int) -> Usage:
    """Raises OSError when the process is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    (peak,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, peak / 1024)
