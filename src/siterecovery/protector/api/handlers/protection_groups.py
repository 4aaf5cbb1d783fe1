"""Protection groups. Creating and deleting are operations: groups are made and removed on both clouds by the engine."""

import dataclasses
from typing import Any

from siterecovery.protector.api import accept, lookup, paging, present
from siterecovery.protector.api.accept import Wish
from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.protection_groups import (
    CreateProtectionGroup,
    NewProtectionGroup,
    ProtectionGroupFilters,
    UpdateProtectionGroup,
)
from siterecovery.protector.domain import admission
from siterecovery.protector.domain.admission import Ask, Picture
from siterecovery.protector.domain.epoch import Generation
from siterecovery.protector.domain.errors import BadRequest, Conflict, Unmet
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Site
from siterecovery.protector.domain.states import OperationType, SyncStatus
from siterecovery.protector.store.base import Transaction


def list_protection_groups(call: Call) -> Answer:
    filters = call.filters(ProtectionGroupFilters)
    limit = paging.size(call, filters.limit)

    def read(tx: Transaction) -> dict[str, Any]:
        found = tx.groups.select(
            project_id=call.project_id,
            name=filters.name,
            status=filters.status,
            marker=paging.marker_in(tx.groups.get, filters.marker, call),
            limit=limit + 1,
        )
        page, links = paging.page(call, found, limit, filters)
        return {"protection_groups": present.group_list(tx, page)} | paging.links("protection_groups", links)

    return Answer(call.services.store.run(read))


def get_protection_group(call: Call) -> Answer:
    def read(tx: Transaction) -> dict[str, Any]:
        return {"protection_group": present.group(tx, lookup.group(tx, call))}

    return Answer(call.services.store.run(read))


def create_protection_group(call: Call) -> Answer:
    """202. Accepted by the site that the group starts on, with both sites up and the volume type replicated on both."""
    wanted = call.read(CreateProtectionGroup).protection_group
    store = call.services.store
    accept.check_available(call, OperationType.CREATE_GROUP)
    new, unmet = store.run(lambda tx: _new_group(tx, call, wanted))
    peer = accept.ask_peer(call, new, mapped=not unmet)
    asked = Picture(new, new.primary_site_id)
    admission.check_peer(Ask(OperationType.CREATE_GROUP), asked, peer)
    type_id, type_unmet = _check_types(call, new)
    accept.refuse_unmet([*unmet, *type_unmet])
    new = dataclasses.replace(new, extra={"volume_type_id": type_id})

    def write(tx: Transaction) -> dict[str, Any]:
        written = tx.groups.get(new.id)
        if written is not None:
            return {"protection_group": present.group(tx, written)}  # the commit's answer was lost, the commit was not
        _refuse_taken_name(tx, call, wanted.name)
        operation = _creation(tx, call, new)
        created = dataclasses.replace(
            new,
            hold_operation_id=operation.id,
            lineage=(Generation(0, None, new.primary_site_id, operation.id, committed_at=operation.created_at),),
            created_at=operation.created_at,
            updated_at=operation.created_at,
        )
        tx.groups.save(created)
        picture = Picture(created, new.primary_site_id)
        plan = accept.make_plan(tx, call, operation.type, picture, accept.Findings(), operation)
        tx.operations.add(dataclasses.replace(operation, plan=plan.to_json()))
        return {"protection_group": present.group(tx, created)}

    return Answer(store.run(write), status=202)


def _new_group(tx: Transaction, call: Call, wanted: NewProtectionGroup) -> tuple[ProtectionGroup, list[Unmet]]:
    own = lookup.own_site(tx, call)
    primary, secondary = lookup.site(tx, wanted.primary_site), lookup.site(tx, wanted.secondary_site)
    _check_sites(own, primary, secondary)
    _refuse_taken_name(tx, call, wanted.name)
    mapped = tx.tenants.mapping(call.project_id, secondary.id) is not None
    new = ProtectionGroup(
        id=call.services.new_id(),
        name=wanted.name,
        project_id=call.project_id,
        primary_site_id=primary.id,
        secondary_site_id=secondary.id,
        current_primary_site_id=primary.id,
        volume_type=wanted.volume_type,
        secondary_volume_type=wanted.secondary_volume_type or wanted.volume_type,
        replication_type=wanted.replication_type,
        description=wanted.description,
        network_mapping=wanted.network_mapping,
        flavor_mapping=wanted.flavor_mapping,
        ip_policy=wanted.ip_policy,
    )
    return new, admission.unmet_mapping(mapped, secondary.name)


def _check_sites(own: Site, primary: Site, secondary: Site) -> None:
    if primary.id == secondary.id:
        raise BadRequest(
            "The primary and the secondary site are the same.", code="protection_group.same_site", remedy="Name two."
        )
    if own.id != primary.id:
        where = f"Send the request to the Protector of site {primary.name}."
        raise Conflict(
            f"The protection group is created where it starts, on site {primary.name}; this is {own.name}.",
            code="not_active_here",
            remedy=where,
        )


def _refuse_taken_name(tx: Transaction, call: Call, name: str) -> None:
    """Names are accepted wherever an id is, so they are kept unambiguous within a project."""
    if tx.groups.select(project_id=call.project_id, name=name, limit=1):
        raise Conflict(
            f"The project has a protection group with the name '{name}'.",
            code="protection_group.name_taken",
            remedy="Choose another name.",
        )


def _check_types(call: Call, new: ProtectionGroup) -> tuple[str | None, list[Unmet]]:
    precheck = call.services.precheck
    here = precheck.volume_type(new.primary_site_id, new.volume_type, new.replication_type)
    there = precheck.volume_type(new.secondary_site_id, new.secondary_volume_type, new.replication_type)
    delegated = precheck.delegated(new.primary_site_id, new.project_id)
    return here.id, [*here.unmet, *there.unmet, *delegated]


def _creation(tx: Transaction, call: Call, new: ProtectionGroup) -> Operation:
    return Operation(
        id=call.services.new_id(),
        group_id=new.id,
        project_id=new.project_id,
        type=OperationType.CREATE_GROUP,
        source_site_id=new.primary_site_id,
        target_site_id=new.primary_site_id,
        user_id=call.caller.user_id,
        request_id=call.request_id,
        created_at=tx.now(),
    )


def update_protection_group(call: Call) -> Answer:
    """200. A change of the metadata: refused with 503 where the peer does not answer, pushed to it at once otherwise."""
    changes = call.read(UpdateProtectionGroup).protection_group.model_dump(exclude_none=True)
    store = call.services.store
    seen = store.run(lambda tx: lookup.picture(tx, call, lookup.group(tx, call)))
    admission.check_change(seen)
    peer = accept.ask_peer(call, seen.group, mapped=seen.mapped)

    def write(tx: Transaction) -> str:
        picture = lookup.locked_picture(tx, call, seen.group.id)
        accept.refuse_unmet(admission.admit_change(picture, peer))
        if changes.get("name", picture.group.name) != picture.group.name:
            _refuse_taken_name(tx, call, changes["name"])
        tx.groups.save(
            dataclasses.replace(
                picture.group,
                **changes,
                metadata_version=picture.group.metadata_version + 1,
                remote_sync_status=SyncStatus.PENDING,
                updated_at=tx.now(),
            )
        )
        return picture.group.id

    group_id = store.run(write)
    call.services.sync.synchronise(group_id)
    return Answer(store.run(lambda tx: {"protection_group": present.group(tx, lookup.group_by_id(tx, call, group_id))}))


def delete_protection_group(call: Call) -> Answer:
    """202: the groups on both clouds go first, the record last."""
    operation = accept.accept(call, Wish(Ask(OperationType.DELETE_GROUP)))
    return Answer(call.services.store.run(lambda tx: {"operation": present.operation(tx, call, operation)}), status=202)
