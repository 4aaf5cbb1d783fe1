"""POST …/action: the five documented operations, and an administrator's reset."""

import dataclasses
import functools
from typing import Any

from siterecovery.protector.api import accept, lookup, present
from siterecovery.protector.api.accept import Findings, Wish
from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.action import Action, Reset
from siterecovery.protector.domain import admission, mappings
from siterecovery.protector.domain.admission import Ask, Picture
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.states import GroupStatus, OperationStatus, OperationType, SyncStatus
from siterecovery.protector.store.base import Transaction
from siterecovery.workflow.abreast import abreast


def act(call: Call) -> Answer:
    """202 with the operation. `failover` with `retain_primary` is a test: the documented example asks for one that way."""
    action = call.read(Action)
    if action.key == "reset":
        operation = _reset(call, call.read(Action).reset or Reset())
    else:
        request = action.arguments.model_dump(mode="json", exclude_none=True)
        operation = _start(call, _type(action), request)
    return Answer(call.services.store.run(lambda tx: {"operation": present.operation(tx, call, operation)}), status=202)


def _type(action: Action) -> OperationType:
    if action.failover is not None and action.failover.retain_primary:
        return OperationType.TEST_FAILOVER
    return OperationType(action.key)


def _start(call: Call, type: OperationType, request: dict[str, Any]) -> Operation:
    ask = Ask(
        type,
        force=bool(request.get("force")) and type in admission.MOVES,
        reverse_replication=bool(request.get("reverse_replication")),
        test_operation_id=request.get("test_operation_id"),
    )

    def investigate(picture: Picture) -> Findings:
        return _look_at_target(call, ask, picture, request) if type in admission.REBUILDS else Findings()

    return accept.accept(call, Wish(ask, request, investigate))


def _look_at_target(call: Call, ask: Ask, picture: Picture, request: dict[str, Any]) -> Findings:
    """Mappings, quota and delegation on the target. Ids and names are looked up alike, so that 1.0 clients are served too."""
    group, precheck = picture.group, call.services.precheck
    _, target = admission.direction(ask, picture)
    project_id = _project_on(call, picture, target)
    members = admission.rebuildable(picture.members)
    backwards = target == group.primary_site_id
    resolved = functools.partial(mappings.resolve, backwards=backwards)
    (networks, unmet_networks), (flavors, unmet_flavors), quota, delegated = abreast(
        lambda: resolved(
            "network",
            mappings.networks_of(members),
            request.get("network_mapping", {}),
            group.network_mapping,
            lambda name: precheck.networks(target, project_id, name),
            by_name=ask.type is not OperationType.TEST_FAILOVER,
        ),
        lambda: resolved(
            "flavor",
            mappings.flavors_of(members),
            request.get("flavor_mapping", {}),
            group.flavor_mapping,
            lambda name: precheck.flavors(target, project_id, name),
        ),
        lambda: precheck.quota(target, project_id, members, picture.volumes),
        lambda: precheck.delegated(target, project_id),
    )
    return Findings((*unmet_networks, *unmet_flavors, *quota, *delegated), networks, flavors)


def _project_on(call: Call, picture: Picture, site_id: str) -> str:
    """The project's counterpart on that site; without a mapping, which is told as unmet, the same id finds nothing."""
    if site_id == picture.this_site_id:
        return picture.group.project_id
    mapping = call.services.store.run(lambda tx: tx.tenants.mapping(picture.group.project_id, site_id))
    return mapping.remote_project_id if mapping else picture.group.project_id


def _reset(call: Call, wanted: Reset) -> Operation:
    """The only way out of `error`, for an administrator who has done what the record said. Done at once; the record says who did it."""
    store = call.services.store
    seen = store.run(lambda tx: lookup.group(tx, call))

    def write(tx: Transaction) -> Operation:
        picture = lookup.locked_picture(tx, call, seen.id)
        admission.check_reset(picture)
        status = _status_after_reset(picture.group, wanted)
        operation = _reset_record(call, picture, status, tx.now())
        tx.operations.add(operation)
        tx.groups.save(
            dataclasses.replace(
                picture.group,
                status=status,
                error_message=None,
                hold_operation_id=None,
                metadata_version=picture.group.metadata_version + 1,
                remote_sync_status=SyncStatus.PENDING,
                updated_at=operation.created_at,
            )
        )
        return operation

    operation = store.run(write)
    call.services.sync.synchronise(seen.id)
    return operation


def _status_after_reset(group: ProtectionGroup, wanted: Reset) -> GroupStatus:
    if wanted.status is not None:
        return GroupStatus(wanted.status)
    at_home = group.current_primary_site_id == group.primary_site_id
    return GroupStatus.ACTIVE if at_home else GroupStatus.FAILED_OVER


def _reset_record(call: Call, picture: Picture, status: GroupStatus, now: str) -> Operation:
    return Operation(
        id=call.services.new_id(),
        group_id=picture.group.id,
        project_id=picture.group.project_id,
        type=OperationType.RESET,
        source_site_id=picture.this_site_id,
        target_site_id=picture.this_site_id,
        status=OperationStatus.COMPLETED,
        progress=100,
        request={"status": status.value},
        result_data={"status": status.value, "error_message": picture.group.error_message},
        user_id=call.caller.user_id,
        request_id=call.request_id,
        created_at=now,
        started_at=now,
        completed_at=now,
    )
