"""What all models share. Requests are strict: unknown keys and wrong types are refused, never guessed."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from siterecovery.protector.domain.errors import BadRequest


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True, hide_input_in_errors=True)


class Query(BaseModel):
    """A query string: everything arrives as text."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def wire(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


class Empty(Request):
    """`{}` or nothing."""


Name = Annotated[str, Field(min_length=1, max_length=255)]
Text = Annotated[str, Field(max_length=1024)]
Ref = Annotated[str, Field(min_length=1, max_length=255, description="An id or a name")]
Mapping = Annotated[dict[Name, Ref], Field(max_length=1000, description="Source id or name → target id or name")]
Limit = Annotated[int, Field(ge=1, le=1000)]


def bad_request(error: ValidationError, what: str) -> BadRequest:
    """All that is wrong in one sentence, without the values: they may be secrets."""
    found = [f"{'.'.join(map(str, item['loc'])) or what}: {item['msg']}" for item in error.errors(include_input=False)]
    return BadRequest(
        "; ".join(found), code=f"{what}.invalid", remedy="See GET /v1/openapi.json for the shape of the request."
    )
