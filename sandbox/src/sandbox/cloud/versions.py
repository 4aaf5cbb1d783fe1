"""Microversions: which one a request asked for, and the headers an answer carries back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.cloud.errors import BadRequest, NotAcceptable


@dataclass(frozen=True)
class Microversions:
    """One service's range, `major.minimum` to `major.maximum`; `name` is what OpenStack-API-Version calls it."""

    name: str
    major: int
    minimum: int
    maximum: int
    legacy_header: str = ""

    def negotiate(self, headers: Mapping[str, str]) -> int:
        """The minor version to answer with; absent means the lowest, unknown is refused with 406 as the services do."""
        wanted = self._wanted(headers)
        if wanted is None:
            return self.minimum
        if wanted == "latest":
            return self.maximum
        major, _, minor = wanted.partition(".")
        if not (major.isdigit() and minor.isdigit()):
            raise BadRequest(f"API Version String {wanted} is of invalid format. Must be of format MajorNum.MinorNum.")
        if int(major) != self.major or not self.minimum <= int(minor) <= self.maximum:
            raise NotAcceptable(
                f"Version {wanted} is not supported by the API. "
                f"Minimum is {self.major}.{self.minimum} and maximum is {self.major}.{self.maximum}."
            )
        return int(minor)

    def headers(self, minor: int) -> dict[str, str]:
        """What says to the client which version it got."""
        answer = {"OpenStack-API-Version": f"{self.name} {self.major}.{minor}", "Vary": "OpenStack-API-Version"}
        if self.legacy_header:
            answer[self.legacy_header] = f"{self.major}.{minor}"
            answer["Vary"] += f", {self.legacy_header}"
        return answer

    def _wanted(self, headers: Mapping[str, str]) -> str | None:
        for part in headers.get("OpenStack-API-Version", "").split(","):
            name, _, version = part.strip().partition(" ")
            if name == self.name:
                return version.strip()
        return headers.get(self.legacy_header) if self.legacy_header else None


COMPUTE = Microversions("compute", 2, 1, 96, "X-OpenStack-Nova-API-Version")
VOLUME = Microversions("volume", 3, 0, 70)
PLACEMENT = Microversions("placement", 1, 0, 39)
