"""What goes wrong in a world, and for how long: the one switchboard every simulated service consults.

A target is the name of one service (`array-a`, `site-a/compute`); rules may use a glob (`site-a/*`). A site is the
failure domain a target belongs to. Losing a site or cutting two sites drops connections without an answer, as a dead
network does; rules shape single requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

MODES = frozenset({"fail", "apply_then_fail", "delay", "late", "hang", "reset", "half"})


class FaultError(ValueError):
    """The rule or name makes no sense; the message says what would."""


@dataclass
class Rule:
    """One fault. `path` is searched in `path?query`, `body` in the request's text; `times` None means for ever."""

    target: str = "*"
    method: str | None = None
    path: str = ""
    body: str | None = None
    mode: str = "fail"
    times: int | None = 1
    status: int = 500
    body_text: str = ""
    delay: float = 0.0
    id: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise FaultError(f"mode {self.mode!r} is unknown; use one of {', '.join(sorted(MODES))}")
        if self.times is not None and self.times < 1:
            raise FaultError("times must be at least 1, or null for ever")
        if self.delay < 0:
            raise FaultError("delay must be 0 or more seconds")
        if self.status != 0 and not 100 <= self.status <= 599:
            raise FaultError("status must be an HTTP status, or 0 to drop the connection")
        try:
            _ = (self._path, self._body)
        except re.error as error:
            raise FaultError(f"path and body must be regular expressions: {error}") from error

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Rule:
        """Build a rule from the control port's JSON, refusing unknown keys by name."""
        known = set(cls.__dataclass_fields__) - {"id"}
        unknown = set(fields) - known
        if unknown:
            raise FaultError(f"unknown keys {', '.join(sorted(unknown))}; a rule has {', '.join(sorted(known))}")
        try:
            return cls(**fields)
        except TypeError as error:
            raise FaultError(f"a rule's value has the wrong type: {error}") from error

    @cached_property
    def _path(self) -> re.Pattern[str]:
        return re.compile(self.path)

    @cached_property
    def _body(self) -> re.Pattern[str] | None:
        return re.compile(self.body) if self.body is not None else None

    def matches(self, target: str, method: str, path: str, body: str) -> bool:
        """Whether this request is meant; a null method means any."""
        return (
            fnmatchcase(target, self.target)
            and self.method in (None, method)
            and self._path.search(path) is not None
            and (self._body is None or self._body.search(body) is not None)
        )


class Faults:
    """The rules in force, what is down and which sites cannot see one another.

    `down` and `cut` may be changed in place; call `changed` afterwards (the methods here do) so that listeners, such
    as replication links, notice at once.
    """

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.cut: set[frozenset[str]] = set()
        self._rules: dict[str, Rule] = {}
        self._listeners: list[Callable[[], None]] = []
        self._serial = 0

    def add(self, rule: Rule | Mapping[str, Any]) -> str:
        """Put a rule in force and return its id; rules are tried in the order they were added."""
        ready = rule if isinstance(rule, Rule) else Rule.parse(rule)
        self._serial += 1
        ready.id = ready.id or f"fault-{self._serial}"
        self._rules[ready.id] = ready
        return ready.id

    def remove(self, rule_id: str) -> bool:
        """Lift one rule; False when it is gone already (used up, or never there)."""
        return self._rules.pop(rule_id, None) is not None

    def clear(self) -> None:
        """Lift every rule, loss and cut: the world is whole again."""
        self._rules.clear()
        self.down.clear()
        self.cut.clear()
        self.changed()

    def list(self) -> list[dict[str, Any]]:
        """The rules in force as JSON, `times` showing what is left."""
        return [asdict(rule) for rule in self._rules.values()]

    @property
    def rules(self) -> bool:
        """Whether any rule is in force, so that the usual request need not read its body."""
        return bool(self._rules)

    def match(self, target: str, method: str, path: str, body: str) -> Rule | None:
        """The first rule for this request, used up by one; None is the usual answer."""
        for rule in self._rules.values():
            if rule.matches(target, method, path, body):
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times == 0:
                        del self._rules[rule.id]
                return rule
        return None

    def lose(self, name: str) -> None:
        """Take a target or a whole site down."""
        self.down.add(name)
        self.changed()

    def restore(self, name: str) -> None:
        """Bring a target or site back."""
        self.down.discard(name)
        self.changed()

    def cut_link(self, one: str, other: str) -> None:
        """Keep two sites from seeing each other."""
        self.cut.add(frozenset({one, other}))
        self.changed()

    def heal_link(self, one: str, other: str) -> None:
        """Let two sites see each other again."""
        self.cut.discard(frozenset({one, other}))
        self.changed()

    def is_down(self, target: str, site: str) -> bool:
        """Whether the target, or the site it stands in, is lost."""
        return target in self.down or site in self.down

    def is_cut(self, one: str, other: str) -> bool:
        """Whether two sites cannot see each other; an unknown caller (empty name) is never cut."""
        return frozenset({one, other}) in self.cut

    def refuses(self, target: str, site: str, caller: str) -> bool:
        """Whether a connection from the caller's site reaches nobody."""
        return self.is_down(target, site) or self.is_cut(caller, site)

    def listen(self, callback: Callable[[], None]) -> None:
        """Call back after every loss, return, cut and healing."""
        self._listeners.append(callback)

    def changed(self) -> None:
        """Tell the listeners; whoever edits `down` or `cut` in place calls this."""
        for callback in self._listeners:
            callback()
