"""The controller's REST as LINBIT's own client reads it: what this client understands, the simulator says as LINSTOR does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import linstor
import pytest
from linstor import consts, sharedconsts

from contract.linstor.simulator import Simulator
from siterecovery.kubevirt.storage.linstor import marks


def succeeded(replies: list[Any]) -> bool:
    return bool(linstor.Linstor.all_api_responses_no_error(replies))


def error_of(replies: list[Any]) -> int:
    """The number of the first error, without its masks."""
    errors = linstor.Linstor.filter_api_call_response_errors(replies)
    return int(errors[0].ret_code) & 0xFFFF


def number(constant: int) -> int:
    return constant & 0xFFFF


def resource(world: Simulator, volume: str, node: str) -> Any:
    listed = world.client.resource_list_raise(filter_by_resources=[volume]).resources
    return next(each for each in listed if each.node_name == node)


def state(world: Simulator, volume: str, node: str) -> Any:
    listed = world.client.resource_list_raise(filter_by_resources=[volume]).resource_states
    return next(each for each in listed if each.node_name == node)


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def offline(world: Simulator, node: str) -> Iterator[None]:
    world.control("POST", f"/drbd/nodes/{node}/satellite", {"answers": False})
    try:
        yield
    finally:
        world.control("POST", f"/drbd/nodes/{node}/satellite", {"answers": True})


def test_version(linstor_world: Simulator) -> None:
    """The client accepts the controller and its API version."""
    assert linstor_world.client.controller_version().rest_api_version == "1.28.0"
    assert not linstor_world.client.api_version_smaller("1.28.0")


def test_nodes(linstor_world: Simulator) -> None:
    """Satellites are ONLINE or OFFLINE, and tell by a property of topology to which cluster they belong."""
    nodes = {node.name: node for node in linstor_world.client.node_list_raise().nodes}
    assert set(nodes) == {"c1-a", "c1-b", "c2-a", "q-a"}
    assert nodes["c1-a"].connection_status == "ONLINE"
    assert nodes["c1-a"].properties["Aux/topology/siterecovery.trilio.io/cluster"] == "cluster1"
    with offline(linstor_world, "c1-a"):
        found = linstor_world.client.node_list_raise(filter_by_nodes=["c1-a"]).nodes
        assert [node.connection_status for node in found] == ["OFFLINE"]


def test_resources(linstor_world: Simulator, volume: str) -> None:
    """Disk states, flags, connections, use and the tiebreaker are where the client looks for them."""
    linstor_world.control("POST", f"/devices/cluster1/c1-a/{volume}/open")
    here, tie = resource(linstor_world, volume, "c1-a"), resource(linstor_world, volume, "q-a")
    assert here.volumes[0].state.disk_state == "UpToDate"
    assert here.layer_data.layer_stack[:2] == ["DRBD", "STORAGE"]
    assert {node: seen.message for node, seen in here.layer_data.drbd_resource.connections.items()} == {
        "c2-a": "Connected",
        "q-a": "Connected",
    }
    assert set(tie.flags) == {consts.FLAG_DISKLESS, consts.FLAG_DRBD_DISKLESS, consts.FLAG_TIE_BREAKER}
    assert (state(linstor_world, volume, "c1-a").in_use, state(linstor_world, volume, "c2-a").in_use) == (True, False)


def test_an_offline_satellites_state_is_missing(linstor_world: Simulator, volume: str) -> None:
    """Neither used nor unused: the client has no value at all."""
    with offline(linstor_world, "c1-a"):
        assert state(linstor_world, volume, "c1-a").in_use is None
        assert resource(linstor_world, volume, "c1-a").volumes[0].state.disk_state is None
        assert resource(linstor_world, volume, "c1-a").layer_data.drbd_resource.connections == {}


def test_a_resync_shows_its_progress(linstor_world: Simulator, volume: str) -> None:
    """Target and source, with a percentage; and the resource as a whole is synced when it is over."""
    world = linstor_world
    world.control("POST", f"/devices/cluster1/c1-a/{volume}/open")
    world.control("POST", "/targets/cluster2/c2-a/down")
    world.control("POST", f"/devices/cluster1/c1-a/{volume}/write")
    world.control("POST", "/drbd/settings", {"resync_paused": True})
    world.control("POST", "/targets/cluster2/c2-a/up")
    seen = resource(world, volume, "c2-a").volumes[0].state
    assert seen.disk_state == "Inconsistent"
    assert seen.replication_states["c1-a"].done_percentage == 0.0
    assert not world.client.resource_dfn_sync_status(volume).synced_on_all
    world.control("POST", "/drbd/settings", {"resync_paused": False})
    assert eventually(lambda: bool(world.client.resource_dfn_sync_status(volume).synced_on_all))


def test_quorum_off_and_back_to_the_automatic(linstor_world: Simulator, volume: str) -> None:
    """By the property's name of the client; deprecated automatic is a warning; deleting gives quorum back to LINSTOR."""
    client = linstor_world.client
    switched = client.resource_dfn_modify(volume, {marks.AUTO_QUORUM: "disabled", marks.QUORUM: "off"})
    assert succeeded(switched)
    assert any(reply.is_warning() for reply in switched)
    assert properties(linstor_world, volume)[marks.QUORUM] == "off"
    assert succeeded(client.resource_dfn_modify(volume, {}, delete_props=[marks.QUORUM, marks.AUTO_QUORUM]))
    assert properties(linstor_world, volume)[marks.QUORUM] == "majority"
    assert marks.SET_BY not in properties(linstor_world, volume)


def properties(world: Simulator, volume: str) -> dict[str, str]:
    found = world.client.resource_dfn_list_raise(filter_by_resource_definitions=[volume]).resource_definitions
    return dict(found[0].properties)


def test_the_products_names_are_linstors() -> None:
    """Properties that the product writes are called as the client calls them."""
    assert f"{consts.NAMESPC_DRBD_OPTIONS}/{consts.KEY_DRBD_AUTO_QUORUM}" == marks.AUTO_QUORUM
    assert f"{consts.NAMESPC_DRBD_OPTIONS}/{consts.KEY_DRBD_AUTO_ADD_QUORUM_TIEBREAKER}" == marks.AUTO_TIEBREAKER
    assert f"{sharedconsts.NAMESPC_INTERNAL_DRBD}/{sharedconsts.KEY_QUORUM_SET_BY}" == marks.SET_BY
    assert f"{sharedconsts.NAMESPC_DRBD_RESOURCE_OPTIONS}/quorum" == marks.QUORUM
    assert consts.KEY_STOR_POOL_NAME == marks.POOL


def test_refusals_are_linstors(linstor_world: Simulator, volume: str) -> None:
    """Not there, there already, in use, unknown property: the numbers the client knows."""
    client = linstor_world.client
    linstor_world.control("POST", f"/devices/cluster1/c1-a/{volume}/open")
    assert error_of(client.resource_dfn_modify("nothing", {"Aux/x": "1"})) == number(consts.FAIL_NOT_FOUND_RSC_DFN)
    assert error_of(client.resource_dfn_create(volume)) == number(consts.FAIL_EXISTS_RSC_DFN)
    assert error_of(client.resource_delete("c1-a", volume)) == number(consts.FAIL_IN_USE)
    assert error_of(client.resource_dfn_modify(volume, {"Nonsense/x": "1"})) == number(consts.FAIL_INVLD_PROP)
    assert error_of(client.snapshot_delete(volume, "never")) == number(consts.FAIL_NOT_FOUND_SNAPSHOT_DFN)


def test_an_absent_satellite_is_told(linstor_world: Simulator, volume: str) -> None:
    """A property changes all the same, with a warning; what needs the node is refused."""
    with offline(linstor_world, "c1-a"):
        replies = linstor_world.client.resource_dfn_modify(volume, {"Aux/x": "1"})
        warnings = [int(reply.ret_code) & 0xFFFF for reply in replies if reply.is_warning()]
        assert (succeeded(replies), warnings) == (True, [number(consts.WARN_NOT_CONNECTED)])
        refused = linstor_world.client.snapshot_create(["c1-a"], volume, "s")
        assert error_of(refused) == number(consts.FAIL_NOT_CONNECTED)


def test_a_volume_by_hand(linstor_world: Simulator) -> None:
    """Definition, size, replicas with a pool; and its end."""
    client = linstor_world.client
    assert succeeded(client.resource_dfn_create("by-hand"))
    assert succeeded(client.volume_dfn_create("by-hand", 4096))
    wanted = [linstor.linstorapi.ResourceData(node, "by-hand", storage_pool="pool") for node in ("c1-a", "c2-a")]
    assert succeeded(client.resource_create(wanted))
    nodes = {each.node_name for each in client.resource_list_raise(filter_by_resources=["by-hand"]).resources}
    assert nodes == {"c1-a", "c2-a", "q-a"}
    sizes = client.resource_dfn_list_raise(query_volume_definitions=True).resource_definitions
    assert [each.volume_definitions[0].size for each in sizes if each.name == "by-hand"] == [4096]
    assert succeeded(client.resource_make_available("c1-b", "by-hand"))
    assert consts.FLAG_DISKLESS in resource(linstor_world, "by-hand", "c1-b").flags
    assert succeeded(client.resource_dfn_delete("by-hand"))
    assert client.resource_list_raise(filter_by_resources=["by-hand"]).resources == []


def test_snapshots_and_what_is_made_of_them(linstor_world: Simulator, volume: str) -> None:
    """One alone, several at one instant, a new resource from one of them, and their end."""
    client = linstor_world.client
    assert succeeded(client.snapshot_create(["c2-a"], volume, "s1"))
    assert succeeded(client.snapshot_create_multi(["c2-a"], [volume], "s2"))
    taken = client.snapshot_dfn_list_raise(filter_by_resources=[volume]).snapshots
    assert sorted((each.name, tuple(each.nodes)) for each in taken) == [("s1", ("c2-a",)), ("s2", ("c2-a",))]
    assert taken[0].snapshots[0].create_datetime is not None
    copy = f"{volume}-copy"
    assert succeeded(client.resource_dfn_create(copy))
    assert succeeded(client.snapshot_volume_definition_restore(volume, "s1", copy))
    assert succeeded(client.snapshot_resource_restore(["c2-a"], volume, "s1", copy))
    assert [each.node_name for each in client.resource_list_raise(filter_by_resources=[copy]).resources] == ["c2-a"]
    assert all(succeeded(client.snapshot_delete(volume, name)) for name in ("s1", "s2"))


def test_connections_between_replicas(linstor_world: Simulator, volume: str) -> None:
    """Properties of the connection of two nodes are kept."""
    client = linstor_world.client
    assert succeeded(client.resource_conn_modify(volume, "c1-a", "c2-a", {"DrbdOptions/Net/ping-timeout": "5"}, []))
    found = client.resource_conn_list_raise(volume).resource_connections
    props = {frozenset((each.node_a, each.node_b)): each.properties for each in found}
    assert props[frozenset(("c1-a", "c2-a"))] == {"DrbdOptions/Net/ping-timeout": "5"}


def test_failed_calls_leave_error_reports(linstor_world: Simulator, volume: str) -> None:
    """A call the controller could not carry out names a report that is in the list."""
    linstor_world.control("POST", f"/devices/cluster1/c1-a/{volume}/open")
    refused = linstor_world.client.resource_delete("c1-a", volume)[0]
    assert refused.error_report_ids[0] in {report.id for report in linstor_world.client.error_report_list()}


def test_of_several_controllers_the_client_finds_one(linstor_world: Simulator) -> None:
    """With a dead address in front the list of controllers still works."""
    served = linstor_world.ready["linstor"][0].replace("http://", "linstor://")
    with linstor.MultiLinstor(["linstor://127.0.0.1:9", served], timeout=5) as client:
        assert client.connected


@pytest.mark.parametrize("mode", ["fail", "reset"])
def test_faults_reach_the_client(linstor_world: Simulator, mode: str) -> None:
    """What the control port breaks is broken for a real client too, for as many calls as asked."""
    linstor_world.control("POST", "/faults", {"target": "linstor", "path": "/v1/nodes", "mode": mode, "times": 1})
    with pytest.raises((linstor.LinstorError, linstor.LinstorNetworkError, OSError)):
        linstor_world.client.node_list_raise()
    linstor_world.client.disconnect()
    linstor_world.client.connect()
    assert linstor_world.client.node_list_raise().nodes
