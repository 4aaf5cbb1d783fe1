"""Two Protectors talk: every verb, its repetition, lost answers, and what is refused."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from siterecovery.protector.domain.epoch import Claim, Generation
from siterecovery.protector.domain.errors import BadRequest, Conflict, Forbidden, NotFound, RemoteSiteUnreachable
from siterecovery.protector.domain.member import Member
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.site import Delegation
from siterecovery.protector.domain.states import ClaimState, GroupStatus, OperationType, SyncStatus
from siterecovery.protector.peer.base import Peer
from siterecovery.protector.peer.client import HttpPeers
from siterecovery.protector.peer.envelope import MAX_AGE, Kind, Message, sign
from siterecovery.protector.peer.keys import Identity
from support.two_sites import GROUP, NAMES, PROJECTS, OneSite, TwoSites


def rows(site: OneSite) -> tuple[Any, ...]:
    """Everything a verb could change."""

    def read(tx: Any) -> tuple[Any, ...]:
        kept = (
            tx.members.of_group(GROUP),
            tx.volumes.of_group(GROUP),
            tx.debts.of_group(GROUP),
            tx.policies.get(GROUP),
        )
        return tx.groups.get(GROUP), *kept

    return site.store.run(read)


def generation(epoch: int, operation: str = "op-1", site: str = "site-b") -> Generation:
    return Generation(epoch, 0, NAMES[site], operation, "pg-new", {"volume-1": "copy-1"})


def commit(sites: TwoSites, operation: str, epoch: int) -> int:
    moved = dataclasses.replace(sites.a.document(), members=(Member("member-1", GROUP, "server-on-b", "web"),))
    return sites.a.peer().commit(operation, generation(epoch, operation), GroupStatus.FAILED_OVER, moved)


# ------------------------------------------------------------------------------------------------ documents


def test_a_first_push_makes_the_group_there(sites: TwoSites) -> None:
    """A peer that never heard of the group has it whole afterwards, in its own project, with readable secrets."""
    assert sites.a.peer().view(sites.a.group()) is None
    assert sites.a.peer().push(sites.a.document())
    found = sites.b.document()
    assert found.group.project_id == PROJECTS["site-b"]
    assert (found.group.status, found.group.metadata_version) == (GroupStatus.ACTIVE, 3)
    assert found.group.remote_sync_status is SyncStatus.SYNCED
    assert [it.id for it in found.members] == ["member-1"]
    assert found.members[0].rebuild is not None
    assert found.members[0].rebuild.user_data == "password: hunter2"
    assert found.policy is not None
    assert found.policy.primary_fa_token == Secret("token-a")
    assert [it.id for it in found.debts] == ["debt-1"]


def test_members_that_left_leave_there_too(sites: TwoSites) -> None:
    """A newer document replaces members, volumes and debts: nothing of the older one stays."""
    sites.pushed().a.save(metadata_version=4)
    emptied = dataclasses.replace(sites.a.document(), members=(), volumes=(), debts=())
    assert sites.a.peer().push(emptied)
    found = sites.b.document()
    assert (found.members, found.volumes, found.debts) == ((), (), ())


def test_nothing_of_a_push_is_readable_on_the_wire(sites: TwoSites) -> None:
    """Whoever records the traffic learns no secret of the group."""
    sites.pushed()
    carried = repr(sites.a.wire.sent)
    for secret in ("token-a", "token-b", "hunter2"):
        assert secret not in carried


@pytest.mark.parametrize(
    ("here", "sent", "taken"),
    [
        ((0, 3), (0, 4), True),
        ((0, 3), (1, 1), True),
        ((0, 3), (0, 3), False),
        ((0, 4), (0, 3), False),
        ((1, 1), (0, 9), False),
        ((2, 5), (1, 6), False),
    ],
)
def test_documents_are_ordered_by_epoch_then_version(
    sites: TwoSites, here: tuple[int, int], sent: tuple[int, int], taken: bool
) -> None:
    """Only a newer (epoch, version) changes anything; the same one counts as taken, an older one does not."""
    sites.pushed().b.save(failover_epoch=here[0], metadata_version=here[1], description="before")
    sites.a.save(failover_epoch=sent[0], metadata_version=sent[1], description="after")
    assert sites.a.peer().push(sites.a.document()) is (taken or here == sent)
    assert sites.b.group().description == ("after" if taken else "before")


def test_a_fetched_document_is_the_peers_own(sites: TwoSites) -> None:
    """What is fetched is what the peer's database holds, its secrets unsealed for this site."""
    sites.pushed()
    found = sites.b.peer().fetch(sites.b.group())
    assert found is not None
    assert found.group.project_id == PROJECTS["site-a"]
    assert found.policy == sites.a.document().policy
    assert found.members == sites.a.document().members


def test_a_relay_may_carry_it_and_not_change_it(sites: TwoSites) -> None:
    """Client relay: a signed document is taken from whoever brings it; one changed letter is a 403 and changes nothing."""
    signed = sites.a.service.document(GROUP, PROJECTS["site-a"])
    altered = {**signed, "document": {**signed["document"], "issued_at": signed["document"]["issued_at"] + 1}}
    with pytest.raises(Forbidden) as refused:
        sites.b.service.put(GROUP, altered, PROJECTS["site-b"])
    assert refused.value.code == "replica.bad_signature"
    assert rows(sites.b)[0] is None
    assert sites.b.service.put(GROUP, signed, PROJECTS["site-b"]) == {"accepted": True, "epoch": 0, "version": 3}


def test_a_tenant_relays_for_its_own_project_only(sites: TwoSites) -> None:
    """For another project the group does not exist: neither to read nor to bring."""
    signed = sites.a.service.document(GROUP)
    with pytest.raises(NotFound):
        sites.b.service.put(GROUP, signed, "another")
    with pytest.raises(NotFound):
        sites.a.service.document(GROUP, "another")
    with pytest.raises(NotFound):
        sites.a.service.view(GROUP, "another")
    assert rows(sites.b)[0] is None


def test_an_unmapped_project_is_refused(sites: TwoSites) -> None:
    """The receiver's own tenant mapping decides whose group it becomes; without one nothing is written."""
    sites.b.store.run(lambda tx: tx.tenants.delete_mapping("mapping-1"))
    with pytest.raises(Forbidden) as refused:
        sites.a.peer().push(sites.a.document())
    assert refused.value.code == "tenant_mapping.missing"
    assert rows(sites.b)[0] is None


def test_a_document_cannot_change_the_project(sites: TwoSites) -> None:
    """A group stays in the project in which it was made here, whatever mapping exists now."""
    sites.pushed().b.save(project_id="moved-by-hand")
    sites.a.save(metadata_version=4)
    with pytest.raises(Forbidden) as refused:
        sites.a.peer().push(sites.a.document())
    assert refused.value.code == "tenant_mapping.changed"
    assert sites.b.group().metadata_version == 3


def test_a_document_cannot_take_another_groups_member(sites: TwoSites) -> None:
    """A member that belongs to another group here is not pulled out of it."""
    sites.pushed()

    def other(tx: Any) -> None:
        tx.groups.save(dataclasses.replace(sites.b.group(), id="group-2", name="other"))
        tx.members.save(Member("member-2", "group-2", "server-2", "db"))

    sites.b.store.run(other)
    sites.a.save(metadata_version=4)
    stolen = dataclasses.replace(sites.a.document(), members=(Member("member-2", GROUP, "server-2", "db"),), volumes=())
    with pytest.raises(Forbidden):
        sites.a.peer().push(stolen)
    assert sites.b.group().metadata_version == 3


def test_a_document_cannot_change_the_sites(sites: TwoSites) -> None:
    """Primary and secondary are the group's for ever: they decide about SITE_NUMBERS."""
    sites.pushed()
    swapped = dataclasses.replace(
        sites.a.group(), primary_site_id=NAMES["site-b"], secondary_site_id=NAMES["site-a"], metadata_version=4
    )
    with pytest.raises(Forbidden):
        sites.a.peer().push(dataclasses.replace(sites.a.document(), group=swapped))


def test_a_late_document_does_not_bring_a_deleted_group_back(sites: TwoSites) -> None:
    """A document that would create the group must be fresh."""
    signed = sites.pushed().a.service.document(GROUP)
    sites.a.peer().forget(sites.a.group())
    sites.now += MAX_AGE + 1
    with pytest.raises(Forbidden) as refused:
        sites.b.service.put(GROUP, signed)
    assert refused.value.code == "replica.too_old"


def test_a_third_site_may_not_speak_of_the_group(sites: TwoSites) -> None:
    """A registered site that is not one of the group's two is refused, however well it signs."""
    third = Identity.generate()

    def register(tx: Any) -> None:
        keys = third.public
        known = tx.sites.get(NAMES["site-a"])
        tx.sites.save(
            dataclasses.replace(
                known, id="id-c", name="site-c", signing_key=keys.signing_key, sealing_key=keys.sealing_key
            )
        )

    sites.pushed().b.store.run(register)
    message = Message(Kind.FENCE, "site-c", "site-b", GROUP, int(sites.now), {"epoch": 99})
    with pytest.raises(Forbidden) as refused:
        sites.b.service.act(Kind.FENCE, GROUP, sign(message, third))
    assert refused.value.code == "replica.foreign_group"
    assert sites.b.group().claim.fence == 0


# ------------------------------------------------------------------------------------------------ verbs

Ask = Callable[[TwoSites, Peer], object]

VERBS: dict[str, Ask] = {
    "push": lambda sites, peer: peer.push(sites.a.document()),
    "claim": lambda sites, peer: peer.claim(sites.a.group(), "op-1", 0, 0),
    "revoke": lambda sites, peer: peer.revoke(sites.a.group(), "op-1"),
    "commit": lambda sites, peer: commit(sites, "op-1", 1),
    "hold": lambda sites, peer: peer.hold(sites.a.group(), "op-1"),
    "release": lambda sites, peer: peer.release(sites.a.group(), "op-1"),
    "fence": lambda sites, peer: peer.fence(sites.a.group(), 2),
    "forget": lambda sites, peer: peer.forget(sites.a.group()),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_lost_answer_and_a_repetition_are_harmless(sites: TwoSites, verb: str) -> None:
    """The asker that saw no answer asks again and gets the same one, as often as it likes; the second time changes nothing."""
    sites.pushed().b.save(claim=Claim(1, "op-1", ClaimState.OPEN), remote_hold="op-1")
    peer = sites.a.peer()
    sites.a.wire.lose_answers = 1
    with pytest.raises(RemoteSiteUnreachable):
        VERBS[verb](sites, peer)
    once = rows(sites.b)
    first, second = VERBS[verb](sites, peer), VERBS[verb](sites, peer)
    assert first == second
    assert rows(sites.b) == once


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"push"}))
def test_a_recorded_message_is_not_good_later(sites: TwoSites, verb: str) -> None:
    """A verb that somebody recorded, or a frozen sender sends late, is refused and changes nothing."""
    sites.pushed().b.save(claim=Claim(1, "op-1", ClaimState.OPEN), remote_hold="op-1")
    sites.a.wire.cut = False
    VERBS[verb](sites, sites.a.peer())
    before = rows(sites.b)
    _, path, body = sites.a.wire.sent[-1]
    assert body is not None
    sites.now += MAX_AGE + 1
    with pytest.raises(Forbidden) as refused:
        sites.b.service.act(Kind(path.rsplit("/", 1)[1]), GROUP, body["replica"])
    assert refused.value.code == "replica.too_old"
    assert rows(sites.b) == before


@pytest.mark.parametrize("verb", VERBS)
def test_an_altered_verb_is_refused(sites: TwoSites, verb: str) -> None:
    """What was altered on its way is a 403 and changes nothing."""
    sites.pushed().b.save(claim=Claim(1, "op-1", ClaimState.OPEN))
    before = rows(sites.b)

    def tamper(body: dict[str, Any]) -> dict[str, Any]:
        body["replica"]["document"]["body"]["operation_id"] = "op-of-somebody-else"
        return body

    sites.a.wire.tamper = tamper
    with pytest.raises(Forbidden) as refused:
        VERBS[verb](sites, sites.a.peer())
    assert refused.value.code == "replica.bad_signature"
    assert rows(sites.b) == before


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"push", "forget"}))
def test_a_group_that_is_not_known_there_is_said_to_be_so(sites: TwoSites, verb: str) -> None:
    """A verb about an unknown group is a 404 with a code that tells it from a wrong address."""
    with pytest.raises(NotFound) as refused:
        VERBS[verb](sites, sites.a.peer())
    assert refused.value.code == "protection_group.not_found"


@pytest.mark.parametrize("verb", VERBS)
def test_a_cut_link_is_no_answer(sites: TwoSites, verb: str) -> None:
    """An unreachable peer is RemoteSiteUnreachable for every verb."""
    sites.pushed().a.wire.cut = True
    with pytest.raises(RemoteSiteUnreachable):
        VERBS[verb](sites, sites.a.peer())


@pytest.mark.parametrize(
    "kind", [Kind.CLAIM, Kind.REVOKE, Kind.COMMIT, Kind.HOLD, Kind.RELEASE, Kind.FENCE, Kind.FORGET]
)
def test_a_signed_message_without_its_fields_is_refused(sites: TwoSites, kind: Kind) -> None:
    """A peer of another version that leaves out what a verb needs gets a 400 and changes nothing."""
    before = rows(sites.pushed().b)
    message = Message(kind, "site-a", "site-b", GROUP, int(sites.now), {"epoch": "seven"})
    with pytest.raises(BadRequest) as refused:
        sites.b.service.act(kind, GROUP, sign(message, sites.a.identity))
    assert refused.value.code == "replica.unreadable"
    assert rows(sites.b) == before


def test_the_view_tells_what_the_database_holds(sites: TwoSites) -> None:
    """Epoch, version, claim, hold and this project's trust, as they are there now."""
    sites.pushed().b.save(claim=Claim(1, "op-1", ClaimState.OPEN, 4), hold_operation_id="op-1")
    sites.b.store.run(lambda tx: tx.tenants.save_delegation(Delegation(PROJECTS["site-b"], "trust-1", "user-1")))
    view = sites.a.peer().view(sites.a.group())
    assert view is not None
    assert (view.epoch, view.version, view.status, view.active_site_id) == (0, 3, GroupStatus.ACTIVE, NAMES["site-a"])
    assert (view.claim, view.hold_operation_id) == (Claim(1, "op-1", ClaimState.OPEN, 4), "op-1")
    assert (view.site_name, view.trust_id) == ("site-b", "trust-1")


def test_a_claim_takes_the_other_sites_number(sites: TwoSites) -> None:
    """The secondary site's database mints odd numbers, above everything either site knows of."""
    sites.pushed()
    assert sites.a.peer().claim(sites.a.group(), "op-1", 0, 0) == 1
    assert sites.a.peer().claim(sites.a.group(), "op-2", 0, 7) == 9
    assert sites.b.group().claim == Claim(9, "op-2", ClaimState.OPEN)


def test_a_planned_move_commits_at_the_target(sites: TwoSites) -> None:
    """Claim and commit: status, active site, epoch, lineage and members become true there in one transaction, above both versions."""
    sites.pushed().a.save(metadata_version=5)
    epoch = sites.a.peer().claim(sites.a.group(), "op-1", 0, 0)
    sites.a.peer().hold(sites.a.group(), "op-1")
    version = commit(sites, "op-1", epoch)
    group = sites.b.group()
    assert (group.failover_epoch, group.metadata_version) == (1, 6) == (epoch, version)
    assert (group.status, group.current_primary_site_id) == (GroupStatus.FAILED_OVER, NAMES["site-b"])
    assert (group.claim.state, group.project_id, group.remote_hold) == (
        ClaimState.COMMITTED,
        PROJECTS["site-b"],
        "op-1",
    )
    assert group.generation == generation(1)
    assert sites.b.document().members[0].instance_id == "server-on-b"
    sites.a.peer().release(sites.a.group(), "op-1")
    assert sites.b.group().remote_hold is None


def test_a_revoked_claim_does_not_commit(sites: TwoSites) -> None:
    """REVOKE: a commit that arrives after the undo began is refused, and changes nothing."""
    epoch = sites.pushed().a.peer().claim(sites.a.group(), "op-1", 0, 0)
    assert sites.a.peer().revoke(sites.a.group(), "op-1") == "revoked"
    before = rows(sites.b)
    with pytest.raises(Conflict) as refused:
        commit(sites, "op-1", epoch)
    assert refused.value.code == "claim.lost"
    assert rows(sites.b) == before


def test_an_undo_after_a_lost_commit_goes_forward(sites: TwoSites) -> None:
    """A committed operation that asks to be undone is told that it has won, also when the group has moved on since."""
    commit(sites, "op-1", sites.pushed().a.peer().claim(sites.a.group(), "op-1", 0, 0))
    assert sites.a.peer().revoke(sites.a.group(), "op-1") == "committed"
    later = sites.b.save(claim=Claim(4, "op-2", ClaimState.COMMITTED), failover_epoch=4)
    assert later.failover_epoch == 4
    assert sites.a.peer().revoke(sites.a.group(), "op-1") == "committed"


def test_a_fence_reaches_the_row_and_the_record(sites: TwoSites) -> None:
    """FORCE_FENCES: the fenced site shows an error, and its unfinished operation says why it ends."""
    sites.pushed()
    operation = Operation("op-9", GROUP, PROJECTS["site-b"], OperationType.FAILOVER, epoch=1)
    sites.b.store.run(lambda tx: tx.operations.add(operation))
    sites.a.peer().fence(sites.a.group(), 2)
    assert (sites.b.group().claim.fence, sites.b.group().status) == (2, GroupStatus.ERROR)
    found = sites.b.store.run(lambda tx: tx.operations.get("op-9"))
    assert found is not None
    assert found.warnings == ("A forced failover with epoch 2 has fenced this site.",)
    sites.a.peer().fence(sites.a.group(), 2)
    assert sites.b.store.run(lambda tx: tx.operations.get("op-9")) == found


def test_a_higher_epoch_ends_what_ran_there(sites: TwoSites) -> None:
    """RETURN_ASKS: adopting revokes the claim here, lets go of the hold, and the record of the operation says why."""
    sites.pushed().b.save(claim=Claim(1, "op-9", ClaimState.OPEN), hold_operation_id="op-9", remote_hold="op-8")
    operation = Operation("op-9", GROUP, PROJECTS["site-b"], OperationType.FAILOVER, epoch=1)
    sites.b.store.run(lambda tx: tx.operations.add(operation))
    sites.a.save(failover_epoch=2, metadata_version=1)
    assert sites.a.peer().push(sites.a.document())
    group = sites.b.group()
    assert (group.failover_epoch, group.metadata_version) == (2, 1)
    assert (group.claim.state, group.hold_operation_id, group.remote_hold) == (ClaimState.REVOKED, None, None)
    found = sites.b.store.run(lambda tx: tx.operations.get("op-9"))
    assert found is not None
    assert found.warnings == ("Epoch 2 was committed by another operation.",)


def test_a_running_take_over_with_a_higher_number_is_not_disturbed(sites: TwoSites) -> None:
    """The highest number wins: while it runs, a lower epoch's document is a 409 and changes nothing."""
    sites.pushed().b.save(claim=Claim(3, "op-9", ClaimState.OPEN), hold_operation_id="op-9")
    sites.a.save(failover_epoch=2)
    before = rows(sites.b)
    with pytest.raises(Conflict) as refused:
        sites.a.peer().push(sites.a.document())
    assert refused.value.code == "protection_group.busy"
    assert rows(sites.b) == before


def test_a_site_that_missed_a_move_cannot_delete_the_group(sites: TwoSites) -> None:
    """`forget` from a lower epoch is a 409; so is one while an operation holds the group."""
    sites.pushed().b.save(failover_epoch=1)
    with pytest.raises(Conflict) as refused:
        sites.a.peer().forget(sites.a.group())
    assert refused.value.code == "claim.stale"
    sites.b.save(failover_epoch=0, hold_operation_id="op-1")
    with pytest.raises(Conflict) as busy:
        sites.a.peer().forget(sites.a.group())
    assert busy.value.code == "protection_group.busy"
    assert sites.b.group().id == GROUP


# ------------------------------------------------------------------------------------------------ configuration


def test_a_site_without_configuration_is_unreachable(sites: TwoSites) -> None:
    """No [site:<name>] section: the error names it."""
    peers = HttpPeers(sites.a.store, sites.a.identity, "site-a", {})
    with pytest.raises(RemoteSiteUnreachable) as refused:
        peers.of(sites.a.group())
    assert "[site:site-b]" in refused.value.remedy


def test_an_unmapped_project_of_ours_is_told_before_asking(sites: TwoSites) -> None:
    """Without a tenant mapping nothing is sent, and the remedy is named."""
    sites.a.store.run(lambda tx: tx.tenants.delete_mapping("mapping-1"))
    with pytest.raises(Forbidden) as refused:
        sites.a.peer()
    assert refused.value.code == "tenant_mapping.missing"
    assert sites.a.wire.sent == []


def test_missing_keys_are_named(sites: TwoSites) -> None:
    """A peer registered without its sealing key: the document is not written, in neither direction."""
    site = sites.a.store.run(lambda tx: tx.sites.get(NAMES["site-b"]))
    assert site is not None
    sites.a.store.run(lambda tx: tx.sites.save(dataclasses.replace(site, sealing_key=None)))
    for ask in (lambda: sites.a.peer().push(sites.a.document()), lambda: sites.a.service.document(GROUP)):
        with pytest.raises(Conflict) as refused:
            ask()
        assert refused.value.code == "site.keys_missing"


def test_an_unregistered_own_site_is_named(sites: TwoSites) -> None:
    """A wrong [DEFAULT] site_name is an error that says so."""
    peers = HttpPeers(sites.a.store, sites.a.identity, "site-x", {})
    with pytest.raises(Conflict) as refused:
        peers.of(sites.a.group())
    assert refused.value.code == "site.not_registered"
