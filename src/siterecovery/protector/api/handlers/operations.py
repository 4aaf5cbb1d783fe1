"""Operations: records that belong to the site that was asked, and what a person can still do about one."""

import dataclasses
from typing import Any

from siterecovery.protector.api import accept, lookup, paging, present
from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.operations import OperationFilters
from siterecovery.protector.domain import admission, cleanup
from siterecovery.protector.domain.admission import Peer, Picture
from siterecovery.protector.domain.errors import BadRequest
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.states import OperationType
from siterecovery.protector.store.base import Transaction


def list_operations(call: Call) -> Answer:
    """Newest first; internal types only when asked for by `operation_type`. An unknown group is an empty list: its operations outlive it."""
    filters = call.filters(OperationFilters)
    limit = paging.size(call, filters.limit)
    type = _type(filters.operation_type)

    def read(tx: Transaction) -> dict[str, Any]:
        found = tx.operations.select(
            call.project_id,
            group_id=_group_id(tx, call, filters.protection_group_id),
            type=type,
            status=filters.status,
            internal=type is not None and type.internal,
            marker=paging.marker_in(tx.operations.get, filters.marker, call),
            limit=limit + 1,
        )
        rows, links = paging.page(call, found, limit, filters)
        return {"operations": present.operation_list(tx, call, rows)} | paging.links("operations", links)

    return Answer(call.services.store.run(read))


def _type(name: str | None) -> OperationType | None:
    try:
        return OperationType(name) if name is not None else None
    except ValueError as error:
        known = ", ".join(OperationType)
        raise BadRequest(
            f"The operation_type '{name}' is not known.", code="query.invalid", remedy=f"One of {known}."
        ) from error


def _group_id(tx: Transaction, call: Call, name_or_id: str | None) -> str | None:
    found = tx.groups.find(call.project_id, name_or_id) if name_or_id is not None else None
    return found.id if found else name_or_id


def get_operation(call: Call) -> Answer:
    def read(tx: Transaction) -> dict[str, Any]:
        return {"operation": present.operation(tx, call, lookup.operation(tx, call))}

    return Answer(call.services.store.run(read))


def clean_up_operation(call: Call) -> Answer:
    """202, in the same record: what an ended operation has left behind is tried again by the engine."""
    store = call.services.store
    seen = store.run(lambda tx: lookup.operation(tx, call))
    picture = store.run(lambda tx: _picture(tx, call, seen))
    admission.check_cleanup(seen, picture, Peer(asked=False), running=cleanup.is_running(seen))
    peer = accept.ask_peer(call, picture.group, mapped=picture.mapped) if picture else Peer(asked=False)

    def write(tx: Transaction) -> dict[str, Any]:
        operation = lookup.operation(tx, call, lock=True, plan=True)
        admission.check_cleanup(operation, _picture(tx, call, operation), peer, running=cleanup.is_running(operation))
        names = lookup.site_names(tx)
        site = names.get(operation.source_site_id or "", "")
        copies = tx.volumes.copies(operation.group_id)
        record = cleanup.opened(operation, now=tx.now(), site_name=site, copies=copies, site_names=names)
        asked = dataclasses.replace(operation, cleanup_requested=True, cleanup=record)
        tx.operations.save(asked)
        return {"operation": present.operation(tx, call, asked)}

    return Answer(store.run(write), status=202)


def _picture(tx: Transaction, call: Call, operation: Operation) -> Picture | None:
    group = tx.groups.get(operation.group_id)
    return lookup.picture(tx, call, group) if group else None


def cancel_operation(call: Call) -> Answer:
    """202: the operation undoes what it has done and ends `failed`; past its commit point it goes on to its end. Repeating it changes nothing."""

    def write(tx: Transaction) -> dict[str, Any]:
        operation = lookup.operation(tx, call, lock=True)
        admission.check_cancel(operation)
        if operation.cancelled_by is None:
            by = call.caller.user_name or call.caller.user_id
            operation = dataclasses.replace(operation, cancelled_by=by)
            tx.operations.save(operation)
        return {"operation": present.operation(tx, call, operation)}

    return Answer(call.services.store.run(write), status=202)
