"""Conditions, in the shape `kubectl wait --for=condition=…` and every dashboard know."""

import enum
from collections.abc import Iterable

from pydantic import Field

from siterecovery.kubevirt.crds.base import Model, Timestamp


class Truth(enum.StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"

    @classmethod
    def of(cls, value: bool | None) -> "Truth":
        """None is unknown: nobody could be asked."""
        return cls.UNKNOWN if value is None else cls.TRUE if value else cls.FALSE


class Condition(Model):
    type: str = Field(min_length=1, max_length=316)
    status: Truth
    reason: str = Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    message: str = Field(default="", max_length=4096)
    observed_generation: int | None = None
    last_transition_time: Timestamp


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    return next((found for found in conditions if found.type == kind), None)


def stamped(new: Condition, before: Iterable[Condition]) -> Condition:
    """`new` with the time of its last change of status: a condition that only got another message keeps its time."""
    old = find(before, new.type)
    if old is None or old.status is not new.status:
        return new
    return new.model_copy(update={"last_transition_time": old.last_transition_time})
