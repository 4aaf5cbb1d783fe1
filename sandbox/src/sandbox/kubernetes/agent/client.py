"""An agent's control port from outside: for tests, the command line and the world."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.client import wait_until
from sandbox.stack import answers, post

_START_SECONDS = 30.0


class AgentControl:
    """One cluster's machines and guests. ProcessError with the agent's own words for what it refuses."""

    def __init__(self, url: str) -> None:
        self.url = url

    def wait(self) -> None:
        """Until it answers."""
        wait_until("the node agent", _START_SECONDS, lambda: answers(f"{self.url}/state"))

    def state(self) -> dict[str, Any]:
        """{"nodes": {name: mode}, "times": {...}, "boot_failures": {vm: n}, "guests": {"ns/vm": [{...}]}}"""
        state: dict[str, Any] = post(f"{self.url}/state", {}, "GET")
        return state

    def guests(self, namespace: str, vm: str) -> list[dict[str, Any]]:
        """The guests of a VM; more than one is a VM that runs twice."""
        found: list[dict[str, Any]] = self.state()["guests"].get(f"{namespace}/{vm}", [])
        return found

    def history(self, since: int = 0) -> list[dict[str, Any]]:
        """When guests began and ceased to execute (`sandbox.history`), from event number `since` on."""
        events: list[dict[str, Any]] = post(f"{self.url}/history?since={since}", {}, "GET")
        return events

    def set(self, **seconds: float) -> None:
        """Times: boot, stop, pod, write."""
        post(f"{self.url}/times", seconds)

    def guest(self, namespace: str, vm: str, do: str) -> None:
        """crash, poweroff, hang, stick, silence, recover."""
        post(f"{self.url}/guests/{namespace}/{vm}", {"do": do})

    def fail_boots(self, namespace: str, vm: str, count: int) -> None:
        """Its next boots fail."""
        post(f"{self.url}/guests/{namespace}/{vm}/boot-failures", {"count": count})

    def node(self, name: str, mode: str) -> None:
        """alive, mute, dead."""
        post(f"{self.url}/nodes/{name}", {"mode": mode})

    def site(self, power: str) -> None:
        """on, off."""
        post(f"{self.url}/site", {"power": power})

    def reset(self) -> None:
        """No delays, no faults, every node alive."""
        post(f"{self.url}/reset", {})
