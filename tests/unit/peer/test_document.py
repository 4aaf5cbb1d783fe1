"""The metadata document: what travels, what stays, what is sealed, what is refused."""

import dataclasses
import json
from typing import Any

import pytest

from siterecovery.protector.domain.epoch import Claim, Generation
from siterecovery.protector.domain.errors import BadRequest
from siterecovery.protector.domain.member import Member, Rebuild, Volume, VolumeCopy
from siterecovery.protector.domain.operation import Debt
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.peer import document
from siterecovery.protector.peer.base import Document
from siterecovery.protector.peer.keys import Identity, SealBroken
from support.records import filled

RECEIVER = Identity.generate()


def whole() -> Document:
    """Every field of every noun is filled."""
    member = filled(Member, group_id="g1", rebuild=filled(Rebuild, user_data="password: hunter2"))
    return Document(
        filled(ProtectionGroup, id="g1"),
        (member,),
        (filled(Volume, group_id="g1", member_id=member.id),),
        (filled(VolumeCopy, group_id="g1"),),
        filled(Policy, group_id="g1", primary_fa_token=Secret("t0ken-a"), secondary_fa_token=Secret("t0ken-b")),
        (filled(Debt, group_id="g1"),),
    )


def carried(found: Document, receiver: Identity = RECEIVER) -> dict[str, Any]:
    """As it comes off the wire."""
    data: dict[str, Any] = json.loads(json.dumps(document.dump(found, sealing_key=receiver.public.sealing_key)))
    return data


def test_everything_but_what_is_local_arrives() -> None:
    """A field that is added to a noun travels without further code; claim, holds and sync status do not."""
    sent = whole()
    received = document.load(carried(sent), RECEIVER, group_id="g1")
    local = {
        field.name: field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        for field in dataclasses.fields(ProtectionGroup)
        if field.name in document.LOCAL
    }
    assert local["claim"] == Claim()
    assert received == dataclasses.replace(sent, group=dataclasses.replace(sent.group, **local))


def test_every_local_field_exists() -> None:
    """The list of local fields names fields of the group."""
    assert set(document.LOCAL) <= {field.name for field in dataclasses.fields(ProtectionGroup)}


def test_secrets_travel_sealed() -> None:
    """Nobody who carries the document can read a token or user data in it."""
    text = json.dumps(carried(whole()))
    for secret in ("t0ken-a", "t0ken-b", "hunter2"):
        assert secret not in text


def test_a_third_site_cannot_read_it() -> None:
    """A document sealed for one site is refused by another."""
    with pytest.raises(SealBroken):
        document.load(carried(whole()), Identity.generate(), group_id="g1")


def test_local_fields_of_the_sender_are_not_believed() -> None:
    """A document that names a claim or a hold does not set one here."""
    data = carried(whole())
    data["group"]["claim"] = {"epoch": 99, "operation_id": "x", "state": "open", "fence": 99}
    data["group"]["hold_operation_id"] = "x"
    group = document.load(data, RECEIVER, group_id="g1").group
    assert group.claim == Claim()
    assert group.hold_operation_id is None


def test_a_newer_peer_may_know_more() -> None:
    """Keys this version does not know are passed over."""
    data = carried(whole())
    data["group"]["colour"] = data["volumes"][0]["colour"] = "blue"
    data["later"] = []
    assert document.load(data, RECEIVER, group_id="g1").group.id == "g1"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("group"),
        lambda data: data["group"].update(id="g2"),
        lambda data: data["group"].update(failover_epoch="7"),
        lambda data: data["group"].update(status="sleeping"),
        lambda data: data["members"][0].update(group_id="g2"),
        lambda data: data["volumes"][0].update(member_id="of another group"),
        lambda data: data["volumes"][0].update(group_id="g2"),
        lambda data: data["copies"][0].update(group_id="g2"),
        lambda data: data["debts"][0].update(group_id="g2"),
        lambda data: data["policy"].update(group_id="g2"),
        lambda data: data.update(members="none"),
    ],
)
def test_what_is_no_document_of_this_group_is_refused(spoil: Any) -> None:
    """A document that speaks of another group's rows, or has another shape, is a clear error and reaches no database."""
    data = carried(whole())
    spoil(data)
    with pytest.raises(BadRequest) as refused:
        document.load(data, RECEIVER, group_id="g1")
    assert refused.value.code == "replica.unreadable"


def test_lineage_keeps_its_order() -> None:
    """Where a recovery point is looked for depends on the order of epochs."""
    lineage = (Generation(0, None, "a", None), Generation(1, 0, "b", "o1"), Generation(2, 1, "a", "o2"))
    sent = Document(filled(ProtectionGroup, id="g1", lineage=lineage))
    assert document.load(carried(sent), RECEIVER, group_id="g1").group.lineage == lineage
