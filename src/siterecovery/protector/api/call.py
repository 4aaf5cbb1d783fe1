"""One request as handlers see it, and what they answer. Nothing of the HTTP framework reaches them."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from siterecovery.protector.api.microversion import LOWEST, Microversion
from siterecovery.protector.api.services import Services

Body = TypeVar("Body", bound=BaseModel)
Query = TypeVar("Query", bound=BaseModel)


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who asks, as Keystone has confirmed it. The token itself is used for one thing only: creating the caller's trust."""

    user_id: str | None = None
    user_name: str | None = None
    project_id: str | None = None
    roles: frozenset[str] = frozenset()
    token: str = dataclasses.field(default="", repr=False)

    @property
    def is_peer(self) -> bool:
        """The other site's service user, or an admin standing in for it: exempt from the project rule on replica routes."""
        return bool(self.roles & {"admin", "service"})


@dataclasses.dataclass(frozen=True)
class Call:
    """`params` are the path's; `body` and `query` were read by the route's models. `url` is the request's own, without its query."""

    services: Services
    caller: Caller = Caller()
    params: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: BaseModel | None = None
    query: BaseModel | None = None
    version: Microversion = LOWEST
    request_id: str = ""
    url: str = ""

    @property
    def project_id(self) -> str:
        return self.params["project_id"]

    def read(self, model: type[Body]) -> Body:
        """The body, which the route has declared to be a `model`."""
        assert isinstance(self.body, model), f"the route declares {type(self.body).__name__}, the handler reads {model}"
        return self.body

    def filters(self, model: type[Query]) -> Query:
        """The query string, which the route has declared to be a `model`."""
        assert isinstance(self.query, model), f"the route declares {type(self.query).__name__}, not {model}"
        return self.query


@dataclasses.dataclass(frozen=True)
class Answer:
    """`body` becomes JSON; None is an empty body. Bytes are sent as they are, with `content_type`."""

    body: Mapping[str, Any] | bytes | None = None
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
