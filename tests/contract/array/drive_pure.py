"""Drives the async scenario with py-pure-client; runs inside its venv, never in ours.

    python drive_pure.py INPUT.json OUTPUT.json

Sections 3.1-3.5, 3.9 and 3.10 of the runbook: configure, replicate now, find the newest usable point, copy out and tag,
go back the other way, tear down. OUTPUT is what the client understood at each step.
"""

# What it drives stands in another venv, which the type checker of this one cannot see.
# mypy: disable-error-code="import-not-found"
import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from pypureclient import flasharray
from pypureclient.configuration import Configuration

GIB = 1 << 30
DEADLINE_SECONDS = 30


class Side:
    """One array as the official client shows it, its certificate verified."""

    def __init__(self, given: dict[str, Any], name: str) -> None:
        configuration = Configuration(ssl_ca_cert=given["ca"])
        configuration.verify_ssl = True
        configuration.retries = False
        array = given["arrays"][name]
        self.name = name
        self.client = flasharray.Client(
            f"127.0.0.1:{array['port']}", api_token=array["token"], timeout=(5, 30), configuration=configuration
        )

    def __getattr__(self, call: str) -> Any:
        return getattr(self.client, call)


def items(response: Any) -> list[dict[str, Any]]:
    """The items as plain JSON; a refusal ends the script with its message."""
    if response.status_code != 200:
        raise SystemExit(f"refused: {[(error.context, error.message) for error in response.errors]}")
    return [item.to_dict() for item in response.items]


def until(question: Any) -> Any:
    """Ask again until the answer is not empty; a deadline, not a fixed sleep, decides."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise SystemExit("waited too long")


def configure(source: Side, target: Side, group: str, members: list[str]) -> dict[str, Any]:
    """3.1, in the order that Cinder keeps too."""
    remote = f"{source.name}:{group}"
    items(source.post_protection_groups(names=[group]))
    retention = flasharray.RetentionPolicy(all_for_sec=14400, per_day=3, days=7)
    items(
        source.patch_protection_groups(
            names=[group], protection_group=flasharray.ProtectionGroup(target_retention=retention)
        )
    )
    schedule = flasharray.ReplicationSchedule(frequency=300000)
    items(
        source.patch_protection_groups(
            names=[group], protection_group=flasharray.ProtectionGroup(replication_schedule=schedule)
        )
    )
    items(source.post_protection_groups_targets(group_names=[group], member_names=[target.name]))
    until(lambda: target.get_protection_groups(names=[remote]).status_code == 200)
    replica = items(target.get_protection_groups(names=[remote]))[0]
    allow = flasharray.TargetProtectionGroupPostPatch(allowed=True)
    items(target.patch_protection_groups_targets(group_names=[remote], target=allow))
    until(lambda: items(source.get_protection_groups_targets(group_names=[group]))[0]["allowed"])
    items(source.post_protection_groups_volumes(group_names=[group], member_names=members))
    listed = items(source.get_protection_groups_volumes(group_names=[group]))
    again = target.patch_protection_groups_targets(group_names=[remote], target=allow)
    return {
        "replica": replica,
        "members": [entry["member"]["name"] for entry in listed],
        "allowed twice": again.errors[0].message,
    }


def replicate(source: Side, target: Side, group: str, suffix: str) -> dict[str, Any]:
    """3.2: replicate now and wait on the target until it has arrived whole."""
    sent = items(
        source.post_protection_group_snapshots(
            source_names=[group],
            replicate_now=True,
            apply_retention=False,
            protection_group_snapshot=flasharray.ProtectionGroupSnapshotPost(suffix=suffix),
        )
    )[0]
    full = f"{source.name}:{group}.{suffix}"
    early = target.post_volumes(
        names=["too-early"], volume=flasharray.VolumePost(source=flasharray.Reference(name=f"{full}.v1"))
    )

    def arrived() -> Any:
        transfers = items(
            target.get_protection_group_snapshots_transfer(
                names=[f"{source.name}:{group}"], destroyed=False, sort=["started-"]
            )
        )
        return [t for t in transfers if t["name"] == full and t.get("completed") and t["progress"] == 1.0]

    transfer = until(arrived)[0]
    members = items(target.get_volume_snapshots(filter=f"name='{full}.*'"))
    usable = items(
        target.get_protection_group_snapshots_transfer(
            names=[f"{source.name}:{group}"], destroyed=False, filter='progress="1.0"', sort=["started-"]
        )
    )
    return {
        "sent": sent,
        "transfer": transfer,
        "members": members,
        "newest usable": usable[0]["name"],
        "clone while arriving": early.errors[0].message if early.status_code != 200 else "accepted",
    }


def copy_out(target: Side, snapshot: str, name: str) -> dict[str, Any]:
    """3.4: a copy of one member, outside default protection, with our tags."""
    volume = items(
        target.post_volumes(
            names=[name],
            with_default_protection=False,
            volume=flasharray.VolumePost(source=flasharray.Reference(name=snapshot)),
        )
    )[0]
    tag = flasharray.Tag(namespace="dr.siterecovery", key="op", value="op-1", copyable=False)
    items(target.put_volumes_tags_batch(resource_names=[name], tag=[tag]))
    tags = items(target.get_volumes_tags(resource_names=[name], namespaces=["dr.siterecovery"]))
    again = target.post_volumes(names=[name], volume=flasharray.VolumePost(source=flasharray.Reference(name=snapshot)))
    return {"volume": volume, "tags": tags, "second": again.errors[0].message}


def tear_down(source: Side, target: Side, group: str) -> dict[str, Any]:
    """3.10: schedule off, targets and members out, group destroyed, name still reserved."""
    schedule = flasharray.ReplicationSchedule(enabled=False)
    items(
        source.patch_protection_groups(
            names=[group], protection_group=flasharray.ProtectionGroup(replication_schedule=schedule)
        )
    )
    source.delete_protection_groups_targets(group_names=[group], member_names=[target.name])
    members = [entry["member"]["name"] for entry in items(source.get_protection_groups_volumes(group_names=[group]))]
    source.delete_protection_groups_volumes(group_names=[group], member_names=members)
    items(source.patch_protection_groups(names=[group], protection_group=flasharray.ProtectionGroup(destroyed=True)))
    again = source.post_protection_groups(names=[group])
    left = target.get_protection_groups(names=[f"{source.name}:{group}"])
    return {"again": again.errors[0].message, "left on target": left.status_code == 200}


def write(given: dict[str, Any], array: str, volume: str, generation: int) -> None:
    """Play the guest."""
    request = urllib.request.Request(
        f"{given['control']}/arrays/{array}/volumes/{volume}",
        data=json.dumps({"generation": generation}).encode(),
        method="POST",
    )
    urllib.request.urlopen(request).close()


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    a, b = Side(given, "array-a"), Side(given, "array-b")
    facts: dict[str, Any] = {
        "rest": a.get_rest_version(),
        "arrays": [items(side.get_arrays())[0] for side in (a, b)],
        "connections": items(a.get_array_connections(filter="name='array-b'")),
    }
    for name in ("v1", "v2"):
        items(a.post_volumes(names=[name], volume=flasharray.VolumePost(provisioned=GIB)))
        write(given, "array-a", name, 7)
    facts["forward"] = configure(a, b, "pg", ["v1", "v2"])
    facts["sent"] = replicate(a, b, "pg", "dr-one")
    write(given, "array-a", "v1", 8)
    facts["copy"] = copy_out(b, "array-a:pg.dr-one.v1", "dr-copy-01")
    facts["absent"] = b.get_volumes(names=["nowhere"]).errors[0].message
    facts["filtered absent"] = items(b.get_volumes(filter="name='nowhere'"))
    write(given, "array-b", "dr-copy-01", 20)
    facts["reverse"] = configure(b, a, "pg-rev", ["dr-copy-01"])
    facts["back"] = replicate(b, a, "pg-rev", "dr-two")
    items(
        a.post_volumes(
            names=["v1"],
            overwrite=True,
            volume=flasharray.VolumePost(source=flasharray.Reference(name="array-b:pg-rev.dr-two.dr-copy-01")),
        )
    )
    facts["down"] = tear_down(a, b, "pg")
    Path(sys.argv[2]).write_text(json.dumps(facts, default=str))


if __name__ == "__main__":
    main()
