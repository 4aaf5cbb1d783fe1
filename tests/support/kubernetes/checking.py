"""The independent checker after a test: what must never have been is told at once, what must become true gets a moment to do so."""

import time
from collections.abc import Collection
from typing import Any

from sandbox.kubernetes.check import check
from sandbox.kubernetes.check.checking import EVER

SETTLED_WITHIN = 45.0
"""Seconds: three rounds of the Failover controller, which tells where groups run and pays what is owed."""
_PAUSE = 0.5


def assert_true_world(
    planes: Any,
    namespace: str,
    *,
    excused: Collection[str] = (),
    ignored: Collection[str] = (),
    settled: bool = True,
    seconds: float = SETTLED_WITHIN,
) -> None:
    """AssertionError with the checker's report when a rule is broken, or when not everything could be looked at. `excused`: VMs that the test itself
    has made run twice; `ignored`: rules that it has broken."""
    end = time.monotonic() + seconds
    while True:
        report = check(planes, namespaces=[namespace], excused=excused, settled=settled)
        broken = {finding.invariant for finding in report.findings} - set(ignored)
        fatal = broken & EVER
        if not broken and not report.unseen:
            return
        if fatal or time.monotonic() > end:
            raise AssertionError(f"the world of {namespace} is not as it should be\n{report.text()}")
        time.sleep(_PAUSE)  # between two looks, within a limit
