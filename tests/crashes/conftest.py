"""One ground for each process that runs a part of the matrix, and the matrix's size and result at the end."""

import collections
from collections.abc import Iterator

import pytest

from crashes.ground import Ground
from crashes.matrix import cases


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(lambda: tmp_path_factory.mktemp("world"))
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each way of dying: how many points there are, and how many of those that were played held."""
    results: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            if "crashes/test_matrix.py" in report.nodeid and report.when == "call":
                results[_row(report.nodeid.partition("[")[2].rstrip("]"))][outcome] += 1
    if not results:
        return
    sizes = collections.Counter(_row(str(case)) for undoing in (False, True) for case in cases(undoing=undoing))
    terminalreporter.section("crash matrix: kill -9 of the engine")
    for row, size in sizes.items():
        terminalreporter.line(
            f"{row:<32} {size:>4} points {results[row]['passed']:>4} held {results[row]['failed']:>4} broken"
        )


def _row(case: str) -> str:
    kind, _, point = case.partition(", ")
    return f"{kind}, taken back" if point.startswith("undo ") else kind
