"""No volume takes writes on both sides, now or ever. A Primary that has lost quorum is frozen: it is none that counts."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.kubernetes.check.picture import Picture
from sandbox.kubernetes.check.timeline import meetings, writable


def findings(picture: Picture) -> Iterator[str]:
    spans = writable(picture.disk_events, picture.clusters_of_nodes)
    for one, other, begin, end in meetings([span for span in spans if picture.judged_volume(span.what)]):
        lasted = f"for {end - begin:.1f} s" if end != float("inf") else "and still is"
        yield f"volume {one.what} was Primary on {one.id} ({one.place}) and on {other.id} ({other.place}), {lasted}"
    for name, volume in picture.disks.items():
        places = {
            replica["cluster"]
            for replica in volume["replicas"].values()
            if replica["role"] == "Primary" and not replica["suspended"]
        }
        if len(places) > 1 and picture.judged_volume(name):
            yield f"volume {name} is Primary on {' and on '.join(sorted(places))}"
