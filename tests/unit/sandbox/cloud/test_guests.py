"""What guests write, so that a test can tell what came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.cloud.compute.actions import act
from sandbox.cloud.compute.servers import delete

if TYPE_CHECKING:
    from unit.sandbox.cloud.conftest import Site


def running(site: Site, name: str = "vm") -> tuple[str, str, str]:
    """A running server with its boot and data volume."""
    boot, data = site.volume(f"{name}-boot", bootable=True), site.volume(f"{name}-data")
    server = site.boot(name, boot, data)
    site.clock.advance(11)
    return server, boot, data


def test_running_guest_writes_to_all_its_volumes(site: Site) -> None:
    """Each interval is one generation, the same on every volume."""
    server, boot, data = running(site)
    site.cloud.guests.write_all()
    first = site.written(boot)
    site.clock.advance(2.0)
    site.cloud.guests.write_all()
    assert site.written(boot) == first + 10
    assert site.written(data) == site.written(boot)
    assert site.cloud.guests.guests[server].generation == site.written(boot)


def test_clean_stop_flushes_once_more(site: Site) -> None:
    """A clean stop writes a last generation, and then the guest is silent."""
    server, boot, _ = running(site)
    site.cloud.guests.write_all()
    before = site.written(boot)
    site.ask(act, {"os-stop": None}, id=server)
    site.clock.advance(3)
    after = site.written(boot)
    site.clock.advance(10)
    site.cloud.guests.write_all()
    assert after == before + 1
    assert site.written(boot) == after


def test_paused_guest_writes_nothing_and_goes_on(site: Site) -> None:
    """A pause loses nothing and writes nothing; after it the count goes on."""
    server, boot, _ = running(site)
    site.cloud.guests.write_all()
    site.ask(act, {"pause": None}, id=server)
    site.clock.advance(1)
    held = site.written(boot)
    site.clock.advance(60)
    site.cloud.guests.write_all()
    assert site.written(boot) == held
    site.ask(act, {"unpause": None}, id=server)
    site.clock.advance(1)
    site.cloud.guests.write_all()
    assert held < site.written(boot) < held + 10


def test_lost_site_writes_nothing(site: Site) -> None:
    """While its site or its array is lost a guest writes nothing, and not afterwards for that time either."""
    _, boot, _ = running(site)
    site.cloud.guests.write_all()
    held = site.written(boot)
    for lost in ("site-a", "array-a"):
        site.faults.lose(lost)
        site.clock.advance(600)
        site.cloud.guests.write_all()
        assert site.written(boot) == held
        site.faults.restore(lost)
    site.cloud.guests.write_all()
    assert site.written(boot) == held + 1


def test_guest_is_known_again_by_its_boot_volume(site: Site) -> None:
    """A server recreated on a copy of the boot volume is the same guest and counts on; a fresh one is another."""
    server, boot, _ = running(site)
    site.cloud.guests.write_all()
    identity = site.cloud.guests.guests[server].identity
    array = site.fabric.arrays["array-a"]
    copy = site.volume("copy", bootable=True)
    source = {"source": {"name": site.cloud.volume.volumes[boot].provider_id}}
    target = {"names": str(site.cloud.volume.volumes[copy].provider_id), "overwrite": "true"}
    assert array.call("POST", "/volumes", target, source)[0] == 200
    generation = site.written(copy)
    site.ask(delete, id=server)
    twin = site.boot("twin", copy)
    fresh = site.boot("fresh", site.volume("fresh", bootable=True))
    site.clock.advance(11)
    site.cloud.guests.write_all()
    guests = site.cloud.guests.guests
    assert guests[twin].identity == identity
    assert guests[twin].generation > generation
    assert guests[fresh].identity != identity
    assert server not in guests


def test_disk_pulled_from_the_array_stops_nobody_else(site: Site) -> None:
    """Writes to a volume that is no longer on the array are lost and counted; other guests go on."""
    server, boot, _ = running(site, "victim")
    _, other, _ = running(site, "other")
    name = str(site.cloud.volume.volumes[boot].provider_id)
    site.cloud.volume.backend.detach(name)
    site.fabric.arrays["array-a"].call("PATCH", "/volumes", {"names": name}, {"destroyed": True})
    before = site.written(other)
    site.cloud.guests.write_all()
    assert site.cloud.guests.guests[server].lost_writes == 1
    assert site.written(other) > before
    assert site.cloud.guests.held(name) == (None, None)


def test_console_says_what_it_was_told(site: Site) -> None:
    """The console shows a login by default, a set text by name, and the last lines on demand."""
    server, _, _ = running(site)
    plain = site.ask(act, {"os-getConsoleOutput": {}}, id=server).body
    site.cloud.guests.consoles["vm"] = "one\ntwo\nthree\n"
    tail = site.ask(act, {"os-getConsoleOutput": {"length": 2}}, id=server).body
    assert "vm login:" in str(plain)
    assert tail == {"output": "two\nthree\n"}
