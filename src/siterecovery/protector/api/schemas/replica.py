from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from siterecovery.protector.api.schemas.base import Answer, Request


class SignedMessage(BaseModel):
    """Opaque here: who may have written it, and what it says, is for the peer's own code to judge. A newer peer may add keys."""

    model_config = ConfigDict(extra="allow")

    document: Any
    signature: Annotated[str, Field(max_length=1024)]
    site: Annotated[str, Field(max_length=255)]


class PutReplica(Request):
    replica: SignedMessage


class ReplicaAnswer(Answer):
    replica: dict[str, Any]


class ViewAnswer(Answer):
    view: dict[str, Any]


class TakenAnswer(Answer):
    accepted: bool
    epoch: int
    version: int
