"""What happens to servers while time passes: builds, stops, losses, deletions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.cloud.compute.actions import act
from sandbox.cloud.compute.servers import delete
from sandbox.cloud.errors import BadRequest, Conflict

if TYPE_CHECKING:
    from unit.sandbox.cloud.conftest import Site


def test_boot_takes_its_time(site: Site) -> None:
    """A server is in BUILD until the profile's boot time has passed, and its volume is in use meanwhile."""
    volume = site.volume("boot", bootable=True)
    server = site.boot("vm", volume)
    assert site.cloud.volume.volumes[volume].status == "reserved"
    site.clock.advance(9)
    assert site.status(server) == "BUILD"
    assert site.cloud.volume.volumes[volume].status == "in-use"
    site.clock.advance(2)
    assert site.status(server) == "ACTIVE"


def test_only_so_many_boot_at_once(site: Site) -> None:
    """With room for two, five servers need three rounds."""
    site.profile.current = site.profile.current.updated({"boot_concurrency": 2})
    servers = [site.boot(f"vm{number}", site.volume(f"v{number}", bootable=True)) for number in range(5)]
    built = []
    for _ in range(3):
        site.clock.advance(10.01)
        built.append([site.status(server) for server in servers].count("ACTIVE"))
    assert built == [2, 4, 5]


def test_failed_build_has_a_reason_and_keeps_its_volume_reserved(site: Site) -> None:
    """The next builds fail as ordered; deleting the server frees what it had reserved."""
    site.cloud.compute.knobs.fail_builds = 1
    volume = site.volume("boot", bootable=True)
    server = site.boot("vm", volume)
    site.clock.advance(1)
    record = site.cloud.compute.servers[server]
    assert (record.status, record.fault is not None) == ("ERROR", True)
    assert site.cloud.volume.volumes[volume].status == "reserved"
    site.ask(delete, id=server)
    site.clock.advance(2)
    assert site.cloud.volume.volumes[volume].status == "available"


def test_build_without_its_array_ends_in_error(site: Site) -> None:
    """When the array is lost, the server ends in ERROR, gives back its port and says why."""
    volume = site.volume("boot", bootable=True)
    site.faults.lose("array-a")
    server = site.boot("vm", volume)
    site.clock.advance(1)
    record = site.cloud.compute.servers[server]
    assert record.status == "ERROR"
    assert record.fault is not None
    assert "array-a does not answer" in record.fault.message
    assert not site.cloud.network.ports


def test_refused_boot_takes_nothing(site: Site) -> None:
    """When the second volume is in use, the first one stays available and no server is there."""
    free, taken = site.volume("free", bootable=True), site.volume("taken")
    site.cloud.volume.volumes[taken].status = "in-use"
    with pytest.raises(BadRequest, match="status must be available"):
        site.boot("vm", free, taken)
    assert site.cloud.volume.volumes[free].status == "available"
    assert not site.cloud.compute.servers


def test_endless_build_can_be_deleted(site: Site) -> None:
    """A build that never ends is still there after an hour, and goes when it is deleted."""
    site.cloud.compute.knobs.endless_builds = {"vm"}
    server = site.boot("vm", site.volume("boot", bootable=True))
    site.clock.advance(3600)
    assert site.status(server) == "BUILD"
    site.ask(delete, id=server)
    site.clock.advance(2)
    assert site.status(server) == "GONE"


def test_hanging_guest_ignores_a_stop_but_not_a_hard_reboot(site: Site) -> None:
    """A hung guest stays powering-off; a second stop is a conflict; a hard reboot brings it back."""
    server = site.boot("vm", site.volume("boot", bootable=True))
    site.clock.advance(11)
    site.cloud.compute.knobs.hung_guests = {"vm"}
    site.ask(act, {"os-stop": None}, id=server)
    site.clock.advance(600)
    assert site.cloud.compute.servers[server].task_state == "powering-off"
    with pytest.raises(Conflict, match="task_state powering-off"):
        site.ask(act, {"os-stop": None}, id=server)
    site.ask(act, {"reboot": {"type": "HARD"}}, id=server)
    site.clock.advance(5)
    assert (site.status(server), site.cloud.compute.servers[server].task_state) == ("ACTIVE", None)


def test_a_lost_site_stands_still(site: Site) -> None:
    """Nothing ends while the site is lost; what was under way ends after its return."""
    server = site.boot("vm", site.volume("boot", bootable=True))
    site.clock.advance(1)
    site.faults.lose("site-a")
    site.clock.advance(100)
    assert site.status(server) == "BUILD"
    site.faults.restore("site-a")
    site.clock.advance(1)
    assert site.status(server) == "ACTIVE"


def test_dead_compute_service_works_off_its_queue_later(site: Site) -> None:
    """A stop asked for while nova-compute is dead happens when it lives again; a delete happens at once."""
    one, other = (site.boot(name, site.volume(name, bootable=True)) for name in ("one", "other"))
    site.clock.advance(11)
    site.cloud.services_down.add("nova-compute")
    site.ask(act, {"os-stop": None}, id=one)
    site.ask(delete, id=other)
    site.clock.advance(60)
    assert (site.cloud.compute.servers[one].task_state, site.status(other)) == ("powering-off", "GONE")
    site.cloud.services_down.clear()
    site.clock.advance(3)
    assert site.status(one) == "SHUTOFF"


def test_delete_leaves_nothing_connected(site: Site) -> None:
    """After a delete the port is gone, the kept volume is available, and the array has no connection of it."""
    volume = site.volume("boot", bootable=True)
    server = site.boot("vm", volume)
    site.clock.advance(11)
    name = str(site.cloud.volume.volumes[volume].provider_id)
    connected = site.fabric.arrays["array-a"].call("GET", "/volumes", {"names": name})[1]["items"][0]
    site.ask(delete, id=server)
    site.clock.advance(2)
    free = site.fabric.arrays["array-a"].call("GET", "/volumes", {"names": name})[1]["items"][0]
    assert (connected["connection_count"], free["connection_count"]) == (1, 0)
    assert site.cloud.volume.volumes[volume].status == "available"
    assert not site.cloud.network.ports


def test_volume_in_a_group_survives_delete_on_termination(site: Site) -> None:
    """Cinder refuses Nova's delete of a volume that is in a group: it stays, unattached."""
    volume = site.volume("boot", bootable=True)
    site.cloud.volume.volumes[volume].group_id = "a-group"
    server = site.boot("vm", volume, ends=True)
    site.clock.advance(11)
    site.ask(delete, id=server)
    site.clock.advance(10)
    assert site.cloud.volume.volumes[volume].status == "available"
