"""The independent checker of the eight invariants.

It looks at both clouds, both arrays and both databases through their own interfaces, never through the product, and at the
world's own ledger where history is needed. `check(Places(…))` for programs, `sandbox check` for people.
"""

from sandbox.check.checking import check
from sandbox.check.places import CheckError, Places
from sandbox.check.report import INVARIANTS, Finding, Report

__all__ = ["INVARIANTS", "CheckError", "Finding", "Places", "Report", "check"]
