"""The project's delegation: a Keystone trust by which the service acts for the project while nobody is looking."""

import logging

from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.delegation import Delegation, DelegationAnswer
from siterecovery.protector.domain import site as domain
from siterecovery.protector.domain.errors import NotFound, ProtectorError
from siterecovery.protector.store.base import Transaction

LOG = logging.getLogger(__name__)


def _find(tx: Transaction, call: Call) -> domain.Delegation:
    found = tx.tenants.delegation(call.project_id)
    if found is None:
        raise NotFound(
            "The project has no delegation on this site.",
            code="delegation.not_found",
            remedy="Create one: openstack dr delegation create.",
        )
    return found


def get_delegation(call: Call) -> Answer:
    found = call.services.store.run(lambda tx: _find(tx, call))
    return Answer(DelegationAnswer(delegation=Delegation.of(found)).wire())


def put_delegation(call: Call) -> Answer:
    """A new trust from the caller's token, for the token's own user and project; the one before it is taken back if it was the caller's."""
    store, trusts, caller = call.services.store, call.services.trusts, call.caller
    before = store.run(lambda tx: tx.tenants.delegation(call.project_id))
    user_id = caller.user_id or ""
    trust_id = trusts.create(token=caller.token, project_id=call.project_id, user_id=user_id)

    def write(tx: Transaction) -> domain.Delegation:
        delegation = domain.Delegation(call.project_id, trust_id, user_id, checked_at=tx.now())
        tx.tenants.save_delegation(delegation)
        return delegation

    try:
        saved = store.run(write)
    except ProtectorError:
        _take_back(call, trust_id)
        raise
    if before is not None and before.trustor_user_id == caller.user_id:
        _take_back(call, before.trust_id)
    return Answer(DelegationAnswer(delegation=Delegation.of(saved)).wire())


def delete_delegation(call: Call) -> Answer:
    """204. The trust of another user cannot be deleted with this token: it is forgotten here and ends with its trustor's role."""
    store = call.services.store
    found = store.run(lambda tx: _find(tx, call))
    if found.trustor_user_id == call.caller.user_id:
        call.services.trusts.delete(found.trust_id, token=call.caller.token)
    store.run(lambda tx: tx.tenants.delete_delegation(call.project_id))
    return Answer(status=204)


def _take_back(call: Call, trust_id: str) -> None:
    try:
        call.services.trusts.delete(trust_id, token=call.caller.token)
    except ProtectorError as error:
        # The caller's own trust stays in Keystone, where its user can see and delete it; the request itself is not spoilt by that.
        LOG.warning("trust %s could not be deleted: %s", trust_id, error.detail)
