"""A replication driver with a pretend world around it: what the conformance suite needs to set a scene.

Volumes are made and connected by hand (as Cinder and Nova would), sites are lost and time passes, through interfaces the driver does not use.
"""

from __future__ import annotations

import contextlib
import itertools
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx

from contract.array.simulator import TOKENS, Simulator
from siterecovery.protector.arrays.base import RecoveryPoint, Replication, ReplicationDriver
from siterecovery.protector.arrays.flasharray.async_groups import AsyncGroups
from siterecovery.protector.arrays.flasharray.client import ArrayClient
from siterecovery.protector.arrays.mock.driver import MockStorageDriver
from siterecovery.protector.arrays.settings import ArraySettings
from siterecovery.protector.domain.secret import Secret

GIB = 1 << 30
ARRAY_OF = {"site-a": "array-a", "site-b": "array-b"}
T = TypeVar("T")


class World(Protocol):
    """The driver under test and its surroundings."""

    @property
    def driver(self) -> ReplicationDriver: ...

    def make_volume(self, site: str, name: str) -> None: ...

    def connect(self, site: str, name: str) -> None: ...

    def pass_time(self, seconds: float) -> None: ...

    def lost(self, site: str) -> contextlib.AbstractContextManager[None]:
        """The site's array answers nobody inside the block."""
        ...


class MockWorld:
    """Everything happens at once and nothing can be lost: the mock's arrays are a file."""

    def __init__(self, directory: Path) -> None:
        self.driver = MockStorageDriver(directory)

    def make_volume(self, site: str, name: str) -> None:
        self.driver.create_volume(site, name, GIB)

    def connect(self, site: str, name: str) -> None:
        self.driver.connect(site, name, True)

    def pass_time(self, seconds: float) -> None:
        return

    @contextlib.contextmanager
    def lost(self, site: str) -> Iterator[None]:
        yield


class FlashArrayWorld:
    """Two simulated arrays on the wire."""

    def __init__(self, arrays: Simulator) -> None:
        self._arrays = arrays
        settings = ArraySettings(ca_file=Path(arrays.ca), connect_timeout=2, read_timeout=10)
        self.clients = {
            site: ArrayClient(arrays.url(array), Secret(TOKENS[array]), settings, sleep=self.pass_time)
            for site, array in ARRAY_OF.items()
        }
        self.driver = AsyncGroups(self.clients)

    def fresh_driver(self) -> AsyncGroups:
        """As after a restart of the engine: it has learnt nothing yet."""
        return AsyncGroups(self.clients)

    def raw(self, site: str, method: str, path: str, body: Any = None) -> Any:
        """A call that does not go through the code under test."""
        array = ARRAY_OF[site]
        trust = ssl.create_default_context(cafile=self._arrays.ca)
        with httpx.Client(base_url=self._arrays.url(array), verify=trust) as http:
            token = http.post("/api/2.26/login", headers={"api-token": TOKENS[array]}).headers["x-auth-token"]
            answer = http.request(method, f"/api/2.26/{path}", json=body, headers={"x-auth-token": token})
            http.post("/api/2.26/logout", headers={"x-auth-token": token})
        answer.raise_for_status()
        return answer.json()

    def make_volume(self, site: str, name: str) -> None:
        self.raw(site, "POST", f"volumes?names={name}", {"provisioned": GIB})

    def connect(self, site: str, name: str) -> None:
        host = f"host-{name}"
        self.raw(site, "POST", f"hosts?names={host}", {"iqns": [f"iqn.2020-01.test:{name}"]})
        self.raw(site, "POST", f"connections?host_names={host}&volume_names={name}", {})

    def pass_time(self, seconds: float) -> None:
        self._arrays.control("POST", "/clock/advance", {"seconds": seconds})

    @contextlib.contextmanager
    def lost(self, site: str) -> Iterator[None]:
        self._arrays.control("POST", f"/sites/{site}/down")
        try:
            yield
        finally:
            self._arrays.control("POST", f"/sites/{site}/up")

    def fault(self, site: str, **rule: Any) -> None:
        self._arrays.control("POST", "/faults", {"target": ARRAY_OF[site], **rule})

    def kill_sessions(self, site: str) -> None:
        self._arrays.control("POST", f"/arrays/{ARRAY_OF[site]}/kill-sessions")

    def freeze(self, frozen: bool) -> None:
        """Transfers stand still."""
        self._arrays.control("POST", "/arrays/array-a/links/array-b", {"frozen": frozen})

    def logins(self, site: str) -> int:
        counts = self._arrays.control("GET", "/calls")["counts"]
        return sum(row["count"] for row in counts if row["target"] == ARRAY_OF[site] and row["path"].endswith("/login"))

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


_COUNTER = itertools.count(1)


class Scene:
    """One test's own group and names in a world that other tests share."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.driver = world.driver
        self._number = next(_COUNTER)
        self.replication = Replication(self.name("pg"), "site-a", "site-b")

    def name(self, word: str) -> str:
        return f"{word}-{self._number}"

    def until(self, ask: Callable[[], T], enough: Callable[[T], bool] = bool) -> T:
        """Ask again while the world's time passes; the last answer, whatever it is, after a minute of it."""
        answer = ask()
        for _ in range(60):
            if enough(answer):
                break
            self.world.pass_time(1)
            answer = ask()
        return answer

    def protect(self, *words: str) -> list[str]:
        """A replicated group with new volumes on site-a; their names."""
        names = [self.name(word) for word in words]
        for name in names:
            self.world.make_volume("site-a", name)
        assert self.until(lambda: self.driver.configure(self.replication, 300))
        self.driver.set_members(self.replication, add=names)
        return names

    def replicate(self, suffix: str) -> RecoveryPoint:
        """A recovery point that has arrived whole."""
        self.driver.replicate_now(self.replication, suffix, keep=True)
        point = self.until(
            lambda: self.driver.recovery_point(self.replication, suffix), lambda p: p is not None and p.complete
        )
        assert point is not None
        assert point.complete
        return point
