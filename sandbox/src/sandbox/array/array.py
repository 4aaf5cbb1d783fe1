"""One array: its objects, its calls and the life of what was destroyed.

`call` is the only door: the HTTPS front and the simulated Cinder, which stands in the same process, both use it. State
changes only on the world's event loop and never across an await, so nothing is locked.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox.array import (  # noqa: F401  (each registers its calls)
    group_snapshots,
    groups,
    hardware,
    hosts,
    pods,
    state,
    tags,
    targets,
    volume_groups,
    volume_snapshots,
    volumes,
)
from sandbox.array.errors import ArrayError, NotFound, Refused
from sandbox.array.listing import Query, envelope, page
from sandbox.array.model import Group, Host, Pod, Thing, Volume, VolumeGroup
from sandbox.array.routes import ROUTES
from sandbox.array.settings import Settings
from sandbox.array.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.array.fabric import Fabric


class Array:
    """An array of a fabric; make it with `Fabric.add`. Its id follows from its name, so a restart keeps it."""

    def __init__(self, fabric: Fabric, name: str, site: str, settings: Settings | None = None) -> None:
        self.fabric = fabric
        self.clock = fabric.clock
        self.note = fabric.history.of(site)
        self.name = name
        self.site = site
        self.id = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.array.sandbox"))
        self.settings = settings or Settings()
        self.volumes: Table[Volume] = Table("Volume")
        self.groups: Table[Group] = Table("Protection group")
        self.hosts: Table[Host] = Table("Host")
        self.pods: Table[Pod] = Table("Pod")
        self.volume_groups: Table[VolumeGroup] = Table("Volume group")
        self.default_protections: list[str] = []
        self.serial = 0

    @property
    def down(self) -> bool:
        """Whether the array, or its site, is lost."""
        return self.fabric.faults.is_down(self.name, self.site)

    def now_ms(self) -> int:
        """Milliseconds since the epoch: the unit of every time on the wire."""
        return int(self.clock.now() * 1000)

    def call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> tuple[int, dict[str, Any]]:
        """Answer one REST call; `path` has no version prefix ("/volumes"). Returns status and JSON.

        A lost array answers 503 here; on the wire the connection is dropped instead.
        """
        if self.down:
            return 503, {"errors": [{"context": self.name, "message": "The array does not answer."}]}
        route = ROUTES.get((method, path.strip("/")))
        try:
            if route is None:
                raise NotFound(path)
            asked = Query(query or {})
            route.check(asked, body)
            items = route.handler(self, asked, body if body is not None else {})
            if method == "DELETE":
                return 200, {}
            answer = page(items, asked, self.settings.page_cap) if method == "GET" else envelope(items)
        except ArrayError as error:
            return error.status, error.as_json()
        return 200, _without_nulls(answer) if self.settings.omit_nulls else answer

    def write(self, volume: str, generation: int) -> None:
        """A guest writes: the volume's content becomes this generation."""
        self.volumes.alive(volume).generation = generation

    def read(self, volume: str) -> int:
        """The generation a volume holds; `vol.sfx` and `pg.sfx.vol` read a snapshot."""
        if "." in volume:
            return volume_snapshots.find(self, volume)[1].generation
        return self.volumes.alive(volume).generation

    def dump(self) -> dict[str, Any]:
        """Everything the array holds, as JSON; knobs, links and sessions are not part of it."""
        return state.dump(self)

    def load(self, saved: dict[str, Any]) -> None:
        """Replace what the array holds; `store.load_fabric` also sets the clock and takes up transfers again."""
        state.load(self, saved)

    def new_serial(self) -> str:
        """24 hex digits: 14 from the array's id, 10 counted."""
        self.serial += 1
        return self.id.replace("-", "").upper()[:14] + f"{self.serial:010X}"

    def destroy(self, thing: Thing, forget: Callable[[], None], delay: float | None = None) -> None:
        """Let a thing pend until its eradication, after `delay` or this array's eradication delay (seconds)."""
        wait = self.settings.eradication_delay if delay is None else delay
        thing.destroyed, thing.expires = True, self.clock.now() + wait
        self.watch_expiry(thing, forget)

    def watch_expiry(self, thing: Thing, forget: Callable[[], None]) -> None:
        """Call `forget` when a pending thing's time is over, unless it was recovered meanwhile."""
        expires = thing.expires
        if expires is None:
            return

        def end() -> None:
            if thing.destroyed and thing.expires == expires:
                forget()

        self.clock.call_later(expires - self.clock.now(), end)

    def recover(self, thing: Thing, label: str) -> None:
        """Bring a pending thing back (own wording of the refusal)."""
        if not thing.destroyed:
            raise Refused(thing.name, f"{label} is not destroyed.")
        thing.destroyed, thing.expires = False, None

    def check_eradicable(self, thing: Thing, label: str, name: str, locked: bool = False) -> None:
        """Refuse to eradicate what is alive (own wording) or locked."""
        if not thing.destroyed:
            raise Refused(name, f"{label} must be destroyed before it can be eradicated.")
        if locked or self.settings.eradication_disabled:
            raise Refused(name, "Eradication is disabled.")

    def time_remaining(self, thing: Thing) -> int | None:
        """Milliseconds until eradication, None while not destroyed."""
        return None if thing.expires is None else max(0, int((thing.expires - self.clock.now()) * 1000))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
