"""What is saved is what is read, and what belongs together goes together."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from siterecovery.protector.domain.errors import BadRequest, Conflict
from siterecovery.protector.domain.member import Member, Volume, VolumeCopy
from siterecovery.protector.domain.operation import Debt, Operation
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Delegation, Site, TenantMapping
from siterecovery.protector.domain.states import MemberStatus, OperationStatus, OperationType
from siterecovery.protector.store import tables
from siterecovery.protector.store.base import Transaction
from siterecovery.protector.store.sql_store import SqlStore
from siterecovery.workflow.journal import Entry, State, Write
from support.records import filled, group, operation

Work = Callable[[Transaction], Any]


def family(tx: Transaction) -> ProtectionGroup:
    """A group with everything that can hang on it."""
    owner = group("g1")
    tx.groups.save(owner)
    tx.members.save(filled(Member, id="m1", group_id="g1"))
    tx.volumes.save(filled(Volume, id="v1", group_id="g1", member_id="m1"))
    tx.volumes.save_copy(filled(VolumeCopy, id="c1", group_id="g1"))
    tx.policies.save(filled(Policy, group_id="g1"))
    tx.debts.save(filled(Debt, id="d1", group_id="g1"))
    tx.operations.add(operation("o1"))
    return owner


def test_a_group_keeps_every_field(store: SqlStore) -> None:
    """A group is read as it was saved, first and again after every field has changed."""
    first = filled(ProtectionGroup, id="g1")
    second = filled(ProtectionGroup, id="g1", created_at=first.created_at)
    for saved in (first, second):
        with store.begin() as tx:
            tx.groups.save(saved)
        assert store.run(lambda tx: tx.groups.get("g1")) == saved


def test_a_group_with_defaults_gets_its_time_of_creation(store: SqlStore) -> None:
    """Only `created_at` differs from what was saved: it is the database's, and later saves leave it alone."""
    with store.begin() as tx:
        now = tx.now()
        tx.groups.save(group("g1"))
    found = store.run(lambda tx: tx.groups.get("g1"))
    assert found == dataclasses.replace(group("g1"), created_at=now)
    store.run(lambda tx: tx.groups.save(group("g1")))
    assert store.run(lambda tx: tx.groups.get("g1")) == found


@pytest.mark.parametrize(
    ("value", "save", "get"),
    [
        (filled(Site, id="s1"), lambda tx, value: tx.sites.save(value), lambda tx: tx.sites.get("s1")),
        (
            filled(Member, id="m2", group_id="g1"),
            lambda tx, value: tx.members.save(value),
            lambda tx: tx.members.get("m2"),
        ),
        (
            filled(Volume, id="v2", group_id="g1", member_id="m1"),
            lambda tx, value: tx.volumes.save(value),
            lambda tx: next(volume for volume in tx.volumes.of_member("m1") if volume.id == "v2"),
        ),
        (
            filled(VolumeCopy, id="c2", group_id="g1", epoch=0),
            lambda tx, value: tx.volumes.save_copy(value),
            lambda tx: tx.volumes.copies("g1")[0],
        ),
        (filled(Policy, group_id="g1"), lambda tx, value: tx.policies.save(value), lambda tx: tx.policies.get("g1")),
        (
            filled(Debt, id="d2", group_id="g1", created_at="2000-01-01T00:00:00Z"),
            lambda tx, value: tx.debts.save(value),
            lambda tx: tx.debts.of_group("g1")[0],
        ),
        (
            filled(TenantMapping, id="t1"),
            lambda tx, value: tx.tenants.save_mapping(value),
            lambda tx: tx.tenants.mappings()[0],
        ),
        (
            filled(Delegation, project_id="p1"),
            lambda tx, value: tx.tenants.save_delegation(value),
            lambda tx: tx.tenants.delegation("p1"),
        ),
        (
            filled(Operation, id="o2"),
            lambda tx, value: tx.operations.save(value) if tx.operations.get("o2") else tx.operations.add(value),
            lambda tx: tx.operations.get("o2"),
        ),
    ],
    ids=lambda value: type(value).__name__ if dataclasses.is_dataclass(value) else "",
)
def test_every_field_survives(store: SqlStore, value: Any, save: Callable[[Transaction, Any], None], get: Work) -> None:
    """Each noun is read as it was saved, and saving it again replaces it instead of adding another one."""
    store.run(family)
    for _ in range(2):
        store.run(lambda tx: save(tx, value))
        assert store.run(get) == value


def test_an_operation_changes_everything_but_what_was_accepted(store: SqlStore) -> None:
    """A save writes every field of an operation except its request, its plan and its time of creation."""
    first, second = (
        filled(Operation, id="o1"),
        filled(Operation, id="o1", request={}, plan={}, status=OperationStatus.FAILED),
    )
    store.run(lambda tx: tx.operations.add(first))
    store.run(lambda tx: tx.operations.save(second))
    kept: dict[str, Any] = {"request": first.request, "plan": first.plan, "created_at": first.created_at}
    assert store.run(lambda tx: tx.operations.get("o1")) == dataclasses.replace(second, **kept)


def test_deleting_a_group_takes_what_hangs_on_it(store: SqlStore, raw: sa.Engine) -> None:
    """Members, volumes, copies, policy and debts go with their group; its operations stay readable."""
    store.run(family)
    store.run(lambda tx: tx.groups.delete("g1"))
    with raw.connect() as connection:
        for table in (tables.members, tables.volumes, tables.volume_copies, tables.policies, tables.debts):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0, table.name
    assert store.run(lambda tx: tx.operations.get("o1")) is not None


def test_deleting_a_member_takes_its_volumes(store: SqlStore) -> None:
    """Volumes go with their member; what hangs on the group stays."""
    store.run(family)
    store.run(lambda tx: tx.members.delete("m1"))
    assert store.run(lambda tx: tx.volumes.of_group("g1")) == []
    assert store.run(lambda tx: len(tx.volumes.copies("g1"))) == 1


def test_each_thing_can_be_deleted_alone(store: SqlStore) -> None:
    """Sites, volumes, copies, debts, mappings and delegations go one by one."""
    store.run(family)

    def work(tx: Transaction) -> None:
        tx.sites.save(filled(Site, id="s1"))
        tx.tenants.save_mapping(filled(TenantMapping, id="t1"))
        tx.tenants.save_delegation(filled(Delegation, project_id="p1"))
        tx.sites.delete("s1")
        tx.volumes.delete("v1")
        tx.volumes.delete_copy("c1")
        tx.debts.delete("d1")
        tx.tenants.delete_mapping("t1")
        tx.tenants.delete_delegation("p1")

    store.run(work)
    left = store.run(
        lambda tx: [
            *tx.sites.all(),
            *tx.volumes.of_group("g1"),
            *tx.volumes.copies("g1"),
            *tx.debts.all(),
            *tx.tenants.mappings(),
            *tx.tenants.delegations(),
        ]
    )
    assert left == []


def test_things_are_found_by_what_people_call_them(store: SqlStore) -> None:
    """Sites by name or id, groups within their project, members by instance, mappings from either side."""
    site, mapping = filled(Site, id="s1", name="east"), TenantMapping("t1", "here", "s2", "there")

    def work(tx: Transaction) -> None:
        tx.sites.save(site)
        tx.tenants.save_mapping(mapping)
        family(tx)

    store.run(work)
    with store.begin() as tx:
        assert tx.sites.find("east") == tx.sites.find("s1") == site
        assert tx.sites.find("East") is None
        assert tx.tenants.mapping("here", "s2") == tx.tenants.mapping_from("s2", "there") == mapping
        assert tx.tenants.mapping("here", "s1") is None
        by_name, by_id = tx.groups.find("p1", "name-g1"), tx.groups.find("p1", "g1")
        assert by_name is not None
        assert by_name == by_id
        assert tx.groups.find("p2", "g1") is None
        member = tx.members.get("m1")
        assert member is not None
        assert tx.members.by_instance(member.instance_id) == member
        many = [f"unknown-{n}" for n in range(1200)]
        assert tx.members.elsewhere(["m1", *many], "g1") == []
        assert tx.members.elsewhere([*many, "m1"], "another") == ["m1"]


def test_two_groups_of_one_name_are_a_conflict(store: SqlStore) -> None:
    """A name that fits several groups of the project is refused, with their ids; another project's does not count."""
    for id, project in (("g1", "p1"), ("g2", "p1"), ("g3", "p2")):
        with store.begin() as tx:
            tx.groups.save(group(id, name="web", project_id=project))
    with store.begin() as tx, pytest.raises(Conflict) as refusal:
        tx.groups.find("p1", "web")
    assert "g1, g2" in refusal.value.remedy
    assert store.run(lambda tx: tx.groups.find("p2", "web")) is not None


def test_a_taken_name_or_id_is_a_conflict(store: SqlStore) -> None:
    """A second site of the same name, and an operation whose id is taken, are refused and change nothing."""
    store.run(lambda tx: tx.sites.save(filled(Site, id="s1", name="east")))
    store.run(lambda tx: tx.operations.add(operation("o1")))
    with pytest.raises(Conflict):
        store.run(lambda tx: tx.sites.save(filled(Site, id="s2", name="east")))
    with pytest.raises(Conflict):
        store.run(lambda tx: tx.operations.add(operation("o1", project_id="p2")))
    assert store.run(lambda tx: [site.id for site in tx.sites.all()]) == ["s1"]
    found = store.run(lambda tx: tx.operations.get("o1"))
    assert found is not None
    assert found.project_id == "p1"


def test_members_and_volumes_keep_their_order(store: SqlStore) -> None:
    """Members come as they were added, a member's volumes in boot order with those that never boot last."""
    store.run(lambda tx: tx.groups.save(group("g1")))
    for id, index in (("b", 0), ("c", 1), ("a", 2)):
        with store.begin() as tx:
            tx.members.save(Member(id, "g1", f"i-{id}", id, index=index))
    disks = [("v1", None, "vdc"), ("v2", 1, "vda"), ("v3", 0, "vdb"), ("v4", -1, "vdd")]
    volumes = [Volume(id, "g1", "a", f"c-{id}", id, 1, boot_index=at, device=device) for id, at, device in disks]
    store.run(lambda tx: tx.volumes.save(*volumes))
    with store.begin() as tx:
        assert [member.id for member in tx.members.of_group("g1")] == ["b", "c", "a"]
        assert [volume.id for volume in tx.volumes.of_member("a")] == ["v3", "v2", "v1", "v4"]
        assert tx.members.count(["g1", "g2"]) == {"g1": 3, "g2": 0}


def test_many_volumes_are_saved_at_once(store: SqlStore) -> None:
    """More volumes than one statement takes are inserted and replaced in one call."""
    store.run(family)
    volumes = [filled(Volume, id=f"v{n}", group_id="g1", member_id="m1") for n in range(1200)]
    store.run(lambda tx: tx.volumes.save(*volumes[:700]))
    store.run(lambda tx: tx.volumes.save(*volumes))
    assert len(store.run(lambda tx: tx.volumes.of_group("g1"))) == 1200


def test_a_group_knows_its_volumes_by_their_cinder_id(store: SqlStore) -> None:
    """One volume is looked up without reading a thousand, and only within its group."""
    store.run(family)
    store.run(lambda tx: tx.volumes.save(filled(Volume, id="v1", group_id="g1", member_id="m1", volume_id="c-1")))
    with store.begin() as tx:
        assert tx.volumes.holds("g1", "c-1")
        assert not tx.volumes.holds("g2", "c-1")
        assert not tx.volumes.holds("g1", "v1")


def test_operations_of_a_group(store: SqlStore) -> None:
    """All of them oldest first, or only those that are not finished."""
    for id, status in (
        ("o1", OperationStatus.COMPLETED),
        ("o2", OperationStatus.RUNNING),
        ("o3", OperationStatus.PENDING),
    ):
        with store.begin() as tx:
            tx.operations.add(operation(id, status=status))
    with store.begin() as tx:
        assert [found.id for found in tx.operations.of_group("g1")] == ["o1", "o2", "o3"]
        assert [found.id for found in tx.operations.of_group("g1", unfinished=True)] == ["o2", "o3"]


def test_a_large_plan_is_kept_whole(store: SqlStore) -> None:
    """A plan of half a MiB and a member's rebuild data of that size come back whole."""
    plan = {"members": [{"user_data": "é☃" * 40_000}, "x" * 400_000]}
    store.run(lambda tx: tx.operations.add(operation("o1", plan=plan)))
    found = store.run(lambda tx: tx.operations.get("o1"))
    assert found is not None
    assert found.plan == plan


def test_listing_pages_newest_first(store: SqlStore) -> None:
    """Operations made within one second are listed newest first, page by page, each once."""
    made = [f"o{n:02}" for n in range(25)]
    for id in made:
        with store.begin() as tx:
            tx.operations.add(operation(id, created_at=tx.now()))
    seen: list[str] = []
    with store.begin() as tx:
        while page := tx.operations.select("p1", limit=7, marker=seen[-1] if seen else None):
            seen += [found.id for found in page]
    assert seen == made[::-1]


def test_paging_is_stable_under_inserts(store: SqlStore) -> None:
    """Operations that are made or changed while somebody pages neither repeat nor hide one on the pages still to come."""
    for n in range(6):
        with store.begin() as tx:
            tx.operations.add(operation(f"o{n}"))
    first = [found.id for found in store.run(lambda tx: tx.operations.select("p1", limit=3))]
    store.run(lambda tx: tx.operations.add(operation("o9")))
    store.run(lambda tx: tx.operations.save(operation("o1", status=OperationStatus.FAILED)))
    second = [found.id for found in store.run(lambda tx: tx.operations.select("p1", limit=9, marker=first[-1]))]
    assert (first, second) == (["o5", "o4", "o3"], ["o2", "o1", "o0"])


def test_listing_filters(store: SqlStore) -> None:
    """Filters narrow; another project's are never listed; internal types only when asked for; plans are left out."""

    def work(tx: Transaction) -> None:
        tx.operations.add(operation("o1", plan={"large": 1}, request={"small": 1}))
        tx.operations.add(operation("o2", type=OperationType.FAILBACK, status=OperationStatus.COMPLETED))
        tx.operations.add(operation("o3", group_id="g2"))
        tx.operations.add(operation("o4", type=OperationType.ADD_MEMBER))
        tx.operations.add(operation("o5", project_id="p2"))

    store.run(work)
    with store.begin() as tx:

        def ids(**filters: Any) -> list[str]:
            return [found.id for found in tx.operations.select("p1", **filters)]

        assert ids() == ["o3", "o2", "o1"]
        assert ids(internal=True) == ["o4", "o3", "o2", "o1"]
        assert ids(type="add_member") == ["o4"]
        assert ids(type="failback") == ids(status="completed") == ["o2"]
        assert ids(group_id="g2") == ["o3"]
        assert (tx.operations.select("p1")[-1].plan, tx.operations.select("p1")[-1].request) == ({}, {"small": 1})
        for marker in ("o5", "unknown"):
            with pytest.raises(BadRequest):
                ids(marker=marker)


def test_groups_are_listed_by_page(store: SqlStore) -> None:
    """Groups of a project or of all, by name or status, newest first, page by page."""
    for n in range(5):
        project = "p2" if n == 4 else "p1"
        with store.begin() as tx:
            tx.groups.save(group(f"g{n}", project_id=project))
    with store.begin() as tx:
        assert [found.id for found in tx.groups.select(project_id="p1", limit=2)] == ["g3", "g2"]
        assert [found.id for found in tx.groups.select(project_id="p1", marker="g2")] == ["g1", "g0"]
        assert [found.id for found in tx.groups.select()] == ["g4", "g3", "g2", "g1", "g0"]
        assert [found.id for found in tx.groups.select(name="name-g1", status="creating")] == ["g1"]
        assert tx.groups.select(status="active") == []
        with pytest.raises(BadRequest):
            tx.groups.select(project_id="p1", marker="g4")


def test_a_record_is_read_after_it_was_changed_in_the_same_transaction(store: SqlStore) -> None:
    """Within a transaction, also within a journal commit, get and select see what was saved before."""
    store.run(lambda tx: tx.operations.add(operation("o1")))
    store.leases.claim("me", 1)
    seen: list[int] = []

    def change(tx: Transaction) -> None:
        found = tx.operations.get("o1")
        assert found is not None
        tx.operations.save(dataclasses.replace(found, progress=found.progress + 1))
        again = tx.operations.get("o1")
        assert again is not None
        seen.extend([again.progress, tx.operations.select("p1")[0].progress])

    write = Write("o1", 1, (Entry("a", State.DONE),), (change, change))
    assert store.journal.commit([write]) == [None]
    assert seen == [1, 1, 2, 2]
    assert store.run(lambda tx: tx.operations.select("p1")[0].progress) == 2


def test_states_are_the_domains(store: SqlStore) -> None:
    """A state comes back as the enumeration's member, not as bare text."""
    store.run(family)
    member = store.run(lambda tx: tx.members.get("m1"))
    assert member is not None
    assert member.status is MemberStatus.REMOVING
