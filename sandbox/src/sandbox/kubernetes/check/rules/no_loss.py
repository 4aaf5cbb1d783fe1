"""What a guest had written is there where its VM is started next: replication is synchronous, so even a lost site loses nothing that was written
while its disks could write. Only what a person has given up (a replica's `discarded`) may be missing."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.kubernetes.check.picture import Picture


def findings(picture: Picture) -> Iterator[str]:
    newest: dict[str, tuple[int, str]] = {}
    for event in sorted([*_stops(picture), *picture.disk_events], key=lambda event: float(event["time"])):
        if event["kind"] == "guest":
            for volume, generation in event["detail"]["disks"].items():
                newest[volume] = max(
                    newest.get(volume, (0, "")), (int(generation), f"{event['name']} on {event['site']}")
                )
            continue
        if event["kind"] != "replica":
            continue
        volume, _, node = event["id"].rpartition("/")
        if not picture.judged_volume(volume):
            continue
        if event["event"] == "discarded":
            newest.pop(volume, None)
        elif event["event"] == "promoted" and volume in newest and event["detail"]["generation"] < newest[volume][0]:
            written, who = newest[volume]
            yield (
                f"volume {volume} was opened on {node} at generation {event['detail']['generation']},"
                f" and {who} had written {written} before"
            )


def _stops(picture: Picture) -> Iterator[dict[str, object]]:
    for side in picture.sides.values():
        for event in side.events:
            if event["kind"] == "guest" and event["event"] == "stopped":
                yield dict(event)
