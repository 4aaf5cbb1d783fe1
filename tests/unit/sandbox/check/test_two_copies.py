"""Two running copies of one machine, really made: the checker knows them by what is on their disks."""

from __future__ import annotations

import dataclasses

from sandbox.check import Places
from sandbox.check.checking import judge, look
from support.operator import session, wait_for

from .conftest import Stage


def test_a_second_machine_from_a_copy_of_the_disk_is_found(stage: Stage) -> None:
    """A copy of web-server-2's disk is managed and booted while web-server-2 runs: found in the history, and found now."""
    nova, cinder = ({"service_type": kind, "interface": "public"} for kind in ("compute", "volumev3"))
    user = session(stage.world["sites"]["site-a"]["auth_url"])
    first = next(s for s in user.get("/servers", endpoint_filter=nova).json()["servers"] if s["name"] == "web-server-2")
    detail = user.get(f"/servers/{first['id']}", endpoint_filter=nova).json()["server"]
    (disk,) = (entry["id"] for entry in detail["os-extended-volumes:volumes_attached"])
    source = {"source": {"name": f"volume-{disk}-cinder"}}
    stage.array("site-a", "POST", "/volumes", source, names="copy", with_default_protection="false")
    asked = {
        "ref": {"source-name": "copy"},
        "host": stage.world["sites"]["site-a"]["cinder_host"],
        "volume_type": "standard",
        "bootable": True,
    }
    volume = user.post("/os-volume-manage", json={"volume": asked}, endpoint_filter=cinder).json()["volume"]["id"]

    def status(path: str, key: str, where: dict[str, str]) -> str:
        return str(user.get(path, endpoint_filter=where).json()[key]["status"])

    wait_for("the volume", lambda: True if status(f"/volumes/{volume}", "volume", cinder) == "available" else None)
    mapping = {"uuid": volume, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    network = next(iter(detail["addresses"]))
    networks = user.get("/v2.0/networks", endpoint_filter={"service_type": "network", "interface": "public"}).json()
    place = next(item["id"] for item in networks["networks"] if item["name"] == network)
    body = {
        "name": "second",
        "flavorRef": detail["flavor"]["id"],
        "networks": [{"uuid": place}],
        "block_device_mapping_v2": [mapping],
    }
    second = user.post("/servers", json={"server": body}, endpoint_filter=nova).json()["server"]["id"]
    wait_for("the server", lambda: True if status(f"/servers/{second}", "server", nova) == "ACTIVE" else None)

    picture, _ = look(Places(stage.world["control"]))
    said = [finding.what for finding in judge(picture).findings if finding.invariant == "one_primary"]
    assert said[0] == (f"server {second} (second on site-a) was started while its copy {first['id']} ran on site-a")
    assert len(said) == 2
    assert said[1].startswith("two copies of one member are ACTIVE")
    assert judge(dataclasses.replace(picture, sites={})).findings[0].what == said[0]
