"""What all models share: camelCase on the wire, bounds on everything that can grow, rules that are said twice (CEL and Python)."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from siterecovery.kubevirt.domain.resources import Object, Resource


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule of a model. `cel` is for the API server, `holds(new, old)` says the same for servers without CEL and for the command line;
    `old` is None where the former object is not known, and a rule about a change then holds."""

    cel: str
    message: str
    holds: Callable[[Any, Any], bool]


class Model(BaseModel):
    """Unknown fields are left alone: a newer server or a newer release may have written them."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", hide_input_in_errors=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def parse(cls, wire: Mapping[str, Any]) -> Self:
        """Raises pydantic's ValidationError."""
        return cls.model_validate(wire)

    def wire(self) -> Object:
        """What is written to the API server: nothing that was never set, so that no other writer's field is taken over."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def broken(self, old: "Model | None" = None, at: str = "") -> Iterator[str]:
        """Each broken rule as a sentence that begins with the field's path."""
        for rule in self.rules:
            if not rule.holds(self, old):
                yield f"{at}: {rule.message}" if at else rule.message
        for name, field in type(self).model_fields.items():
            value, former = getattr(self, name), getattr(old, name, None)
            path = ".".join(part for part in (at, field.alias or name) if part)
            if isinstance(value, Model):
                yield from value.broken(former if isinstance(former, Model) else None, path)
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, Model):
                        yield from item.broken(None, f"{path}[{index}]")


Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC."""
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
ClusterName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""The `targetCluster` of a Failover may be an alias, which looks the same."""
Text = Annotated[str, Field(max_length=1024)]
Word = Annotated[str, Field(max_length=253)]
LongName = Annotated[str, Field(min_length=1, max_length=507)]
"""`namespace/name`, as Multus names a network."""


class OwnerReference(Model):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class Metadata(Model):
    """The part of ObjectMeta this product looks at."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    owner_references: list[OwnerReference] = Field(default_factory=list)
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


@dataclasses.dataclass(frozen=True)
class Column:
    """A printer column. `wide` ones are shown with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


AGE = Column("Age", ".metadata.creationTimestamp", "date")


class Kind(Model):
    """A whole object. Subclasses add `spec` and `status`, and say how kubectl shows them."""

    resource: ClassVar[Resource]
    short_names: ClassVar[tuple[str, ...]]
    columns: ClassVar[tuple[Column, ...]]
    about: ClassVar[str]

    api_version: str = ""
    kind: str = ""
    metadata: Metadata = Field(default_factory=Metadata)

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)"""
        return self.metadata.namespace, self.metadata.name


def atomic(most: int, **more: Any) -> Any:
    """A list that one writer replaces whole."""
    return Field(max_length=most, json_schema_extra={"x-kubernetes-list-type": "atomic"}, **more)


def keyed(most: int, key: str, **more: Any) -> Any:
    """A list whose items are told apart by a field: different writers may own different items."""
    keys: list[JsonValue] = [key]
    extra: dict[str, JsonValue] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}
    return Field(max_length=most, json_schema_extra=extra, **more)
