"""A custom resource whose controller carries something out, as people see it: its phase, its message, its steps."""

import json

from sandbox.kubernetes.client import ApiError, wait_until
from support.kubernetes import machines


class Watched:
    """`wire` is what is sent to create it below `path`."""

    def __init__(self, api, path, wire):
        self.api, self.path, self.wire = api, path, wire
        self.name = wire["metadata"]["name"]

    def create(self):
        self.api.create(self.wire)
        return self

    def get(self):
        return machines.look(self.api, self.path)

    @property
    def status(self):
        return self.get().get("status") or {}

    @property
    def phase(self):
        return self.status.get("phase")

    @property
    def message(self):
        return self.status.get("message") or ""

    def states(self):
        return {row["name"]: row["state"] for row in self.status.get("steps") or []}

    def until(self, what, ask, seconds=90.0):
        try:
            return wait_until(f"{self.name}: {what}", seconds, ask)
        except Exception as error:
            raise AssertionError(f"{error}; it is {self._seen()}") from error

    def _seen(self):
        """The end of its status, or why nobody can tell it."""
        try:
            return json.dumps(self.status, indent=1)[-4000:]
        except (ApiError, OSError) as error:
            return error
