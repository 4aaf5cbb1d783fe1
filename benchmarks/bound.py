"""The least time a planned failover can take in a given world: what must follow what, and what only so many can do at once.

Derived from the runbook (`failover.planned`) and the world's latency profile alone; nothing here looks at what an engine did. All times are
seconds. `c` is one API call. A wait costs its time and the one call that sees it over: nobody can know without asking.

The runbook has four walls that nothing may cross, because each keeps data safe, so the times between them add up:

1. *prepare*: the request is accepted (c) only when the peer (c) was heard; then sites and servers are read (c), the epoch is claimed at the
   target (c). These are reads and writes of one thing each, so their number does not grow with the VMs.
2. *stop*: each VM is locked (c), then told to stop (c), stops, and is seen stopped (c). Only when the last one is, the snapshot (c) is whole;
   it crosses the link (`transfer`) and is seen arrived (c).
3. *bring up*, per VM: copy its volumes out of the snapshot (c) and tag them (c), manage them (c, `manage`, seen: c), mark them (c), create the
   server (c), boot (`boot`), seen ACTIVE (c). Ports (c) are made meanwhile. Only when all run, the move is committed at the target (c).
4. *tidy up*: the volumes leave the source's group (c, seen: c); each VM's are made unbootable (c), the server is deleted (c, `delete`, seen: c); then
   each volume is looked at once more in Cinder (c) and on the array (c), as every deletion must be, and deleted (c, `volume`, seen: c). Copies of
   the final snapshot (c, tagged: c) are made meanwhile. What stays is told to the target (c), the hold is released (c).

Between two walls the greater of two figures counts: the *path* of one VM, or the *capacity* of what all VMs share:

- Nova builds `boot_concurrency` servers at once: the last of n is ACTIVE no sooner than ceil(n / k) boots after that server of the first wave
  began whose place it inherits; of a last wave of m servers, that is the m-th, whose volumes the array has copied and tagged after 2·m·c/4.
- An array's management plane takes four calls at a time (`ARRAY_CALLS`, what Pure's own tools keep to): n volumes cost 2·n·c/4 on the target,
  3·n·c/4 on the source.
- A cloud's control plane takes `API_CALLS` at a time, as many as it builds servers.
"""

import dataclasses
import math

from sandbox.latency import Latency

ARRAY_CALLS = 4
"""Calls that an array's management plane answers at the same time."""
API_CALLS = 64
"""Calls that a site's control plane answers at the same time."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """Seconds of each part; `binding` says for each whether the path or a capacity decides."""

    prepare: float
    stop: float
    bring_up: float
    tidy_up: float
    binding: tuple[str, str, str]

    @property
    def total(self) -> float:
        return self.prepare + self.stop + self.bring_up + self.tidy_up


def planned_failover(vms: int, volumes_each: int, latency: Latency) -> Bound:
    """`latency.api_call` must be one number. Raises ValueError otherwise."""
    if not isinstance(latency.api_call, int | float):
        raise ValueError("the bound is derived for one time per API call")
    c = float(latency.api_call)
    volumes = vms * volumes_each
    stop, stop_by = _greater(3 * c + latency.stop, _cloud(2 * vms, c) + latency.stop + c)
    stop += 2 * c + latency.transfer
    up, up_by = _bring_up(vms, volumes, c, latency)
    tidy, tidy_by = _tidy_up(vms, volumes, c, latency)
    return Bound(4 * c, stop, up + c, tidy + 2 * c, (stop_by, up_by, tidy_by))


def _bring_up(vms: int, volumes: int, c: float, latency: Latency) -> tuple[float, str]:
    before, after = 2 * c + (2 * c + latency.manage) + c + c, c
    waves = math.ceil(vms / latency.boot_concurrency)
    last = vms - latency.boot_concurrency * (waves - 1)
    staged = max(before, _array(2 * last * (volumes // vms), c) + before - 2 * c)
    builds = staged + waves * latency.boot + after
    array = _array(2 * volumes, c) + before - 2 * c + latency.boot + after
    cloud = 2 * c + _cloud(2 * volumes + 2 * vms, c) + latency.manage + latency.boot + after
    return _greater(before + latency.boot + after, builds, array, cloud)


def _tidy_up(vms: int, volumes: int, c: float, latency: Latency) -> tuple[float, str]:
    server = c + c + latency.delete + c
    volume = 2 * c + c + latency.volume + c
    path = 2 * c + server + volume
    array = 2 * c + _array(3 * volumes, c) + c + latency.volume + c
    cloud = 2 * c + _cloud(3 * volumes + vms, c) + latency.delete + latency.volume + 2 * c
    return _greater(path, array, cloud)


def _array(calls: int, c: float) -> float:
    return calls * c / ARRAY_CALLS


def _cloud(calls: int, c: float) -> float:
    return calls * c / API_CALLS


def _greater(path: float, *capacities: float) -> tuple[float, str]:
    greatest = max(capacities)
    return (path, "path") if path >= greatest else (greatest, "capacity")
