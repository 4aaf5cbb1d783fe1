"""`make bench` must not rot between two releases."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_measures_one_vm_beside_the_script() -> None:
    """One VM in a quick world: the table has its row, with the script's time beside it and an overhead that the bound makes possible."""
    command = [sys.executable, "-m", "benchmarks", "--sizes", "1", "--short"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            said, _ = process.communicate(timeout=270)
        finally:
            process.terminate()  # it ends what it has started
    assert process.returncode == 0, said
    (row,) = re.findall(r"^\| 1 \|(.*)\|$", said, re.MULTILINE)
    cells = [cell.strip() for cell in row.split("|")]
    assert float(cells[2]) >= 1.0, f"faster than can be: the bound is wrong\n{said}"
    assert float(cells[3]) > 0, said
    assert float(cells[6]) > 5, f"too few calls were counted\n{said}"
