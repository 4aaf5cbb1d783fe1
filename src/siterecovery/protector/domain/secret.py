"""A value that must never be shown: `repr`, `str`, logs and tracebacks say `*** (masked)`."""

import dataclasses

MASK = "*** (masked)"


@dataclasses.dataclass(frozen=True, repr=False)
class Secret:
    """`reveal()` is called only where the value goes onto the wire or is sealed at rest."""

    _value: str

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__
