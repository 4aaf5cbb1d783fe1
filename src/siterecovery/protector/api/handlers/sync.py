"""The metadata of a group on both sites: is it the same, and make it the same."""

from typing import Any

from siterecovery.protector.api import accept, lookup, present
from siterecovery.protector.api.accept import Wish
from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.sync import Sync, SyncStatus
from siterecovery.protector.domain.admission import Ask
from siterecovery.protector.domain.states import OperationType
from siterecovery.protector.store.base import Transaction


def _status(tx: Transaction, call: Call) -> dict[str, Any]:
    group = lookup.group(tx, call)
    shown = SyncStatus.of(group, tx.debts.of_group(group.id), lookup.site_names(tx), tx.now())
    return {"sync_status": shown.wire()}


def get_sync_status(call: Call) -> Answer:
    """What this site's database knows: asking the peer is `POST …/sync`."""
    return Answer(call.services.store.run(lambda tx: _status(tx, call)))


def sync(call: Call) -> Answer:
    """200: both records become the newer one, as far as the peer answers. With force 202: the engine also fences and pays what is owed."""
    store = call.services.store
    if call.read(Sync).force:
        operation = accept.accept(call, Wish(Ask(OperationType.SYNC_FORCE, force=True)))
        return Answer(store.run(lambda tx: {"operation": present.operation(tx, call, operation)}), status=202)
    group = store.run(lambda tx: lookup.group(tx, call))
    call.services.sync.synchronise(group.id)
    return Answer(store.run(lambda tx: _status(tx, call)))
