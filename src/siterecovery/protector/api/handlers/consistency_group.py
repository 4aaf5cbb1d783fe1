"""The consistency group: the generic volume groups that stand for a protection group on both clouds."""

from typing import Any

from siterecovery.protector.api import accept, lookup, present
from siterecovery.protector.api.accept import Wish
from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.consistency_group import ConsistencyGroup
from siterecovery.protector.domain.admission import Ask
from siterecovery.protector.domain.states import OperationType
from siterecovery.protector.store.base import Transaction


def get_consistency_group(call: Call) -> Answer:
    def read(tx: Transaction) -> dict[str, Any]:
        group = lookup.group(tx, call)
        shown = ConsistencyGroup(
            id=group.id,
            primary_group_id=group.cinder_groups.get(group.primary_site_id),
            secondary_group_id=group.cinder_groups.get(group.secondary_site_id),
            volume_count=len(tx.volumes.of_group(group.id)),
        )
        return {"consistency_group": shown.wire()}

    return Answer(call.services.store.run(read))


def sync_consistency_group(call: Call) -> Answer:
    """202: the same as the action `sync_volumes`."""
    operation = accept.accept(call, Wish(Ask(OperationType.SYNC_VOLUMES)))
    return Answer(call.services.store.run(lambda tx: {"operation": present.operation(tx, call, operation)}), status=202)
