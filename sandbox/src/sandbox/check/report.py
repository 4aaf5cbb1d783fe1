"""What the checker says: what it looked at, and what it found broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INVARIANTS: Mapping[str, str] = {
    "one_primary": "One primary: never two running copies of a member",
    "no_loss": "No loss: no write is lost that was not accepted to be lost",
    "nothing_twice": "Nothing twice: no operation creates a thing twice",
    "nothing_left": "Nothing left: what nobody keeps is gone, or named with its id",
    "it_ends": "It ends: every operation, hold, claim and lease",
    "metadata": "Metadata: the active site's record is never older than its peer's",
    "drill": "A drill does not disturb",
    "record": "The record tells the truth",
}
"""The eight, in their order, with the sentence people read."""


@dataclass(frozen=True)
class Finding:
    """`invariant` is a key of the report's `invariants`; `what` names the thing with its id and says what is wrong with it."""

    invariant: str
    what: str


@dataclass(frozen=True)
class Report:
    """`looked` counts what was seen by kind; `unseen` names what could not be looked at. Neither is a finding. `invariants` were asked."""

    findings: tuple[Finding, ...]
    looked: Mapping[str, int] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    invariants: Mapping[str, str] = field(default_factory=lambda: INVARIANTS)

    @property
    def ok(self) -> bool:
        """No invariant is broken, as far as could be seen."""
        return not self.findings

    def text(self) -> str:
        """For people: what was looked at, then a verdict per invariant with its findings; none holds for sure where something was not seen."""
        lines = ["Looked at " + ", ".join(f"{count} {kind}" for kind, count in self.looked.items())]
        lines += [f"NOT LOOKED AT: {what}" for what in self.unseen]
        fine = "unsure" if self.unseen else "holds"
        for name, sentence in self.invariants.items():
            broken = [finding.what for finding in self.findings if finding.invariant == name]
            lines.append(f"{'BROKEN' if broken else fine:<6}  {sentence}")
            lines += [f"        - {what}" for what in broken]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "ok": self.ok,
            "findings": [{"invariant": finding.invariant, "what": finding.what} for finding in self.findings],
            "looked": dict(self.looked),
            "unseen": list(self.unseen),
        }
