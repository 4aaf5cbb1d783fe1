"""The replication policy of a group: which arrays, how often. Tokens go in and never come out."""

from typing import Any

from siterecovery.protector.api import accept, lookup
from siterecovery.protector.api.accept import Findings, Wish
from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.schemas.policy import CreatePolicy, NewPolicy, Policy
from siterecovery.protector.domain import policy as domain
from siterecovery.protector.domain.admission import Ask, Picture
from siterecovery.protector.domain.errors import NotFound, Unmet
from siterecovery.protector.domain.operation import Operation
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.secret import Secret
from siterecovery.protector.domain.states import OperationType
from siterecovery.protector.store.base import Transaction


def get_policy(call: Call) -> Answer:
    def read(tx: Transaction) -> dict[str, Any]:
        found = tx.policies.get(lookup.group(tx, call).id)
        if found is None:
            raise NotFound(
                "The protection group has no replication policy.",
                code="policy.not_found",
                remedy="Create one: openstack dr policy create.",
            )
        return {"policy": Policy.of(found).wire()}

    return Answer(call.services.store.run(read))


def create_policy(call: Call) -> Answer:
    """202: creates or replaces it; the engine configures the arrays. 412 `policy.array_not_allowed` for an address nobody has registered."""
    wanted = call.read(CreatePolicy).policy
    written: list[domain.Policy] = []

    def investigate(picture: Picture) -> Findings:
        return Findings(tuple(_unmet_arrays(call, wanted)))

    def change(tx: Transaction, picture: Picture, operation: Operation) -> ProtectionGroup:
        policy = _policy(picture.group.id, wanted)
        tx.policies.save(policy)
        written.append(policy)
        return picture.group

    accept.accept(call, Wish(Ask(OperationType.APPLY_POLICY), _request(wanted), investigate, change))
    return Answer({"policy": Policy.of(written[-1]).wire()}, status=202)


def _policy(group_id: str, wanted: NewPolicy) -> domain.Policy:
    return domain.Policy(
        group_id=group_id,
        primary_fa_url=wanted.primary_fa_url.rstrip("/"),
        primary_fa_token=Secret(wanted.primary_fa_api_token.get_secret_value()),
        secondary_fa_url=wanted.secondary_fa_url.rstrip("/"),
        secondary_fa_token=Secret(wanted.secondary_fa_api_token.get_secret_value()),
        pure_pg_name=wanted.pure_pg_name,
        replication_interval=wanted.replication_interval,
        rpo_minutes=wanted.rpo_minutes,
    )


def _request(wanted: NewPolicy) -> dict[str, Any]:
    """What the record keeps of the request: everything but the tokens."""
    return wanted.model_dump(mode="json", exclude={"primary_fa_api_token", "secondary_fa_api_token"})


def _unmet_arrays(call: Call, wanted: NewPolicy) -> list[Unmet]:
    """No request of a tenant makes the service call an address that an administrator has not registered."""
    allowed = {url.rstrip("/") for url in call.services.config.allowed_array_urls}
    asked = dict.fromkeys(url.rstrip("/") for url in (wanted.primary_fa_url, wanted.secondary_fa_url))
    return [
        Unmet(
            "policy.array_not_allowed",
            f"The array {url} is not one that this service may call.",
            "Ask an administrator to add it to [storage] allowed_array_urls on both sites.",
        )
        for url in asked
        if url not in allowed
    ]
