"""What only the real driver can meet: lost answers, dead sessions, busy arrays, the wrong array."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from contract.array.simulator import TOKENS, Simulator
from contract.driver.harness import FlashArrayWorld, Scene
from siterecovery.protector.arrays.flasharray.client import ArrayClient
from siterecovery.protector.arrays.settings import ArraySettings
from siterecovery.protector.domain.errors import CloudBusy, CloudRefused, CloudUnreachable, TokenRejected
from siterecovery.protector.domain.secret import Secret

Connect = Callable[..., ArrayClient]


@pytest.fixture
def scene(flasharray: FlashArrayWorld) -> Scene:
    return Scene(flasharray)


def test_a_snapshot_whose_answer_was_lost_is_found(scene: Scene, flasharray: FlashArrayWorld) -> None:
    """The call says that nobody knows; called again it finds its snapshot instead of taking another."""
    scene.protect("boot")
    flasharray.fault(
        "site-a", method="POST", path="protection-group-snapshots", mode="apply_then_fail", status=0, times=1
    )
    with pytest.raises(CloudUnreachable):
        scene.driver.replicate_now(scene.replication, "dr-lost", keep=True)
    scene.driver.replicate_now(scene.replication, "dr-lost", keep=True)
    taken = flasharray.raw("site-a", "GET", f"protection-group-snapshots?source_names={scene.replication.group}")
    assert [item["suffix"] for item in taken["items"]].count("dr-lost") == 1


def test_a_copy_whose_answer_was_lost_is_adopted(scene: Scene, flasharray: FlashArrayWorld) -> None:
    """The copy exists without a tag; called again it is recognised by its source, and tagged."""
    (boot,) = scene.protect("boot")
    snapshot = scene.replicate("dr-x").members[boot]
    flasharray.fault("site-b", method="POST", path=r"/volumes\?", mode="apply_then_fail", status=503, times=1)
    with pytest.raises(CloudBusy):
        scene.driver.copy_out("site-b", snapshot, scene.name("copy"), {"operation": "op-1"})
    copy = scene.driver.copy_out("site-b", snapshot, scene.name("copy"), {"operation": "op-1"})
    assert copy.tags == {"operation": "op-1"}
    assert scene.driver.volume("site-b", scene.name("copy")) == copy


def test_a_rename_whose_answer_was_lost_is_seen(scene: Scene, flasharray: FlashArrayWorld) -> None:
    """Renaming once more finds the new name in place."""
    (boot,) = scene.protect("boot")
    flasharray.fault("site-a", method="PATCH", path="volumes", mode="apply_then_fail", status=504, times=1)
    with pytest.raises(CloudBusy):
        scene.driver.rename("site-a", boot, scene.name("new"))
    scene.driver.rename("site-a", boot, scene.name("new"))
    assert scene.driver.volume("site-a", boot) is None


def test_reads_survive_a_busy_array(scene: Scene, flasharray: FlashArrayWorld) -> None:
    """500 "Server is busy", a gateway's 503 and a dropped connection are repeated."""
    scene.protect("boot")
    body = '{"errors": [{"context": null, "message": "Server is busy"}]}'
    flasharray.fault("site-a", method="GET", path="volumes", mode="fail", status=500, body_text=body, times=1)
    flasharray.fault("site-a", method="GET", path="volumes", mode="half", times=1)
    flasharray.fault("site-a", method="GET", path="volumes", mode="reset", times=1)
    assert len(scene.driver.members(scene.replication)) == 1


def test_a_killed_session_costs_one_login(scene: Scene, flasharray: FlashArrayWorld) -> None:
    """Eight threads whose session died in the middle share one new login, and none of them fails."""
    scene.protect("boot")
    flasharray.kill_sessions("site-a")
    before = flasharray.logins("site-a")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: scene.driver.members(scene.replication), range(32)))
    assert {len(members) for members in found} == {1}
    assert flasharray.logins("site-a") == before + 1


def test_a_restarted_engine_recovers_without_the_source(scene: Scene, flasharray: FlashArrayWorld) -> None:
    """A driver that has never spoken with the source finds its recovery points on the target."""
    (boot,) = scene.protect("boot")
    scene.replicate("dr-x")
    with flasharray.lost("site-a"):
        points = flasharray.fresh_driver().recovery_points(scene.replication)
    assert boot in points[0].members


def test_a_point_on_its_way_is_not_offered(scene: Scene, flasharray: FlashArrayWorld) -> None:
    """While the transfer runs the point is known, incomplete and without members, and not in the list."""
    scene.protect("boot")
    flasharray.freeze(True)
    scene.driver.replicate_now(scene.replication, "dr-way", keep=True)
    point = scene.driver.recovery_point(scene.replication, "dr-way")
    assert point is None or (not point.complete and not point.members)
    assert "dr-way" not in [offered.suffix for offered in scene.driver.recovery_points(scene.replication)]
    flasharray.freeze(False)
    assert scene.replicate("dr-way").members


def test_an_unreachable_array_is_told_in_health(scene: Scene, flasharray: FlashArrayWorld) -> None:
    """Health of a lost site names its array instead of raising."""
    with flasharray.lost("site-b"):
        assert "Array https://" in scene.driver.health("site-b")
        assert scene.driver.health("site-a") != "ok"


def test_destroying_a_point_reaches_as_far_as_it_can(scene: Scene, flasharray: FlashArrayWorld) -> None:
    """With the source lost the target's half goes; when neither answers, that is an error."""
    scene.protect("boot")
    scene.replicate("dr-half")
    with flasharray.lost("site-a"):
        scene.driver.destroy_recovery_point(scene.replication, "dr-half")
        with flasharray.lost("site-b"), pytest.raises(CloudUnreachable):
            scene.driver.destroy_recovery_point(scene.replication, "dr-half")
    assert scene.driver.recovery_point(scene.replication, "dr-half") is None


@pytest.fixture
def connect(arrays: Simulator) -> Iterator[Connect]:
    """Makes clients that were not used before, and closes them."""
    made: list[ArrayClient] = []

    def one(token: str = TOKENS["array-a"], **changes: Any) -> ArrayClient:
        settings = ArraySettings(ca_file=Path(arrays.ca), connect_timeout=2, read_timeout=5)
        changed = dataclasses.replace(settings, **changes)
        made.append(ArrayClient(arrays.url("array-a"), Secret(token), changed, sleep=lambda seconds: None))
        return made[-1]

    yield one
    for client in made:
        client.close()


def test_another_array_than_expected_is_refused(arrays: Simulator, connect: Connect) -> None:
    """A pinned id that does not match is refused before anything else is asked."""
    client = connect(array_ids={arrays.url("array-a"): "another-id"})
    with pytest.raises(CloudRefused, match="another array"):
        client.items("volumes")


def test_a_wrong_token_is_final_and_never_shown(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """A refused login says what to do; neither the token nor a session appears in message or log, however loud the log."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(TokenRejected) as caught:
        connect("very-secret").items("volumes")
    good = connect()
    good.items("volumes")
    session = good._session.current()[1]
    shown = caplog.text + str(caught.value) + repr(caught.value.__cause__)
    assert "very-secret" not in shown
    assert TOKENS["array-a"] not in shown
    assert session not in shown
    assert "create --api-token" in caught.value.remedy


def test_certificate_must_be_known(arrays: Simulator, connect: Connect) -> None:
    """Without the CA nothing is sent; with the certificate's own fingerprint it is; with another one it is not."""
    own = hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(arrays.ca).read_text())).hexdigest()
    url = arrays.url("array-a")
    with pytest.raises(CloudUnreachable, match="certificate"):
        connect(ca_file=None).items("volumes")
    connect(ca_file=None, fingerprints={url: own.upper()}).items("volumes")
    with pytest.raises(CloudUnreachable, match="pinned"):
        connect(ca_file=None, fingerprints={url: "0" * 64}).items("volumes")
