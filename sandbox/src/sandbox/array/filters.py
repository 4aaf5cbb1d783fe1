"""The filter language of list calls: `name='arrayA:pg.*' and (progress="1.0" or not destroyed)`.

Known: = != < > <= >=, and or not, parentheses, `f=(…)`, `f in (…)`, contains(field,'x'), strings with the glob `*` (in any
case), dotted sub-fields, `list[any].field` / `list[all].field`, and a bare field for "is there and not empty".
`compile_filter` refuses what it cannot read, with own wording.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.array.errors import Refused

Item = Mapping[str, Any]
Test = Callable[[Item], bool]
Match = Callable[[Any], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<operator>!=|<=|>=|=|<|>)"
    r"|(?P<mark>[(),])|(?P<word>[A-Za-z_0-9][\w.\[\]-]*))"
)
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}


def compile_filter(text: str) -> Test:
    """A predicate on rendered items."""
    return _Parser(text).parse()


class _Parser:
    """Recursive descent: or, and, not, comparison."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise self._error()
            self._tokens.append((match.lastgroup, match.group(match.lastgroup)))
            at = match.end()
        self._at = 0

    def _error(self) -> Refused:
        return Refused(None, f"Invalid filter: {self._text}")

    def parse(self) -> Test:
        test = self._any()
        if self._at != len(self._tokens):
            raise self._error()
        return test

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str | None = None) -> tuple[str, str]:
        if self._at >= len(self._tokens) or (wanted is not None and self._peek() != wanted):
            raise self._error()
        self._at += 1
        return self._tokens[self._at - 1]

    def _any(self) -> Test:
        tests = [self._all()]
        while self._peek().lower() == "or":
            self._take()
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda item: any(test(item) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._peek().lower() == "and":
            self._take()
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda item: all(test(item) for test in tests)

    def _one(self) -> Test:
        if self._peek() == "(":
            self._take()
            test = self._any()
            self._take(")")
            return test
        kind, word = self._take()
        if kind != "word":
            raise self._error()
        if word.lower() == "not":
            negated = self._one()
            return lambda item: not negated(item)
        if word.lower() == "contains" and self._peek() == "(":
            return self._contains()
        return self._comparison(word)

    def _contains(self) -> Test:
        self._take("(")
        path = self._take()[1]
        self._take(",")
        needle = self._literal().lower()
        self._take(")")
        return _on(path, lambda value: needle in str(value).lower())

    def _comparison(self, path: str) -> Test:
        if self._peek().lower() == "in":
            operator = "="
        elif self._at >= len(self._tokens) or self._tokens[self._at][0] != "operator":
            return _on(path, bool)
        else:
            operator = self._take()[1]
        if operator in _ORDER:
            return _on(path, _ordered(operator, self._literal()))
        accepted = [_equals(value) for value in self._values()]
        if operator == "!=":
            return _on(path, lambda value: not any(match(value) for match in accepted))
        return _on(path, lambda value: any(match(value) for match in accepted))

    def _values(self) -> list[str]:
        if self._peek().lower() not in ("in", "("):
            return [self._literal()]
        if self._peek() != "(":
            self._take()
        self._take("(")
        values = [self._literal()]
        while self._peek() == ",":
            self._take()
            values.append(self._literal())
        self._take(")")
        return values

    def _literal(self) -> str:
        kind, text = self._take()
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "word":
            return text
        raise self._error()


def _on(path: str, match: Match) -> Test:
    """Apply the match to what the path reaches; over a list any element will do, unless `[all]` is said."""
    every = "[all]" in path
    parts = path.replace("[any]", "").replace("[all]", "").split(".")

    def test(item: Item) -> bool:
        values = _reach(item, parts)
        return all(map(match, values)) and bool(values) if every else any(map(match, values))

    return test


def _reach(value: Any, parts: list[str]) -> list[Any]:
    if isinstance(value, list | tuple):
        return [found for element in value for found in _reach(element, parts)]
    if not parts:
        return [value]
    return _reach(value.get(parts[0]), parts[1:]) if isinstance(value, Mapping) else [None]


def _equals(text: str) -> Match:
    glob = re.compile(".*".join(re.escape(part) for part in text.split("*")), re.IGNORECASE | re.DOTALL)

    def match(value: Any) -> bool:
        if isinstance(value, bool):
            return text.lower() == str(value).lower()
        if isinstance(value, int | float):
            return _number(text) == value
        return value is not None and glob.fullmatch(str(value)) is not None

    return match


def _ordered(operator: str, text: str) -> Match:
    bound, compare = _number(text), _ORDER[operator]

    def match(value: Any) -> bool:
        return isinstance(value, int | float) and bound is not None and compare(value, bound)

    return match


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
