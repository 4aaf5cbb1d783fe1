"""Health: for people (`/v1/health`), for load balancers (`/healthcheck`) and for Prometheus (`/metrics`)."""

import datetime

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.microversion import HEALTH_DETAILS
from siterecovery.protector.api.promises import Check, LinkReport
from siterecovery.protector.api.schemas.health import Component, GroupHealth, Health, HealthAnswer
from siterecovery.protector.domain.errors import ProtectorError
from siterecovery.protector.domain.policy import Policy
from siterecovery.protector.domain.protection_group import ProtectionGroup
from siterecovery.protector.domain.site import Delegation, Site
from siterecovery.protector.domain.states import RESTING_GROUP, GroupStatus, PolicyStatus, SyncStatus
from siterecovery.protector.store.base import Transaction


def get_health(call: Call) -> Answer:
    """Looks now. `lag_seconds` and all details from 1.2 on."""
    services = call.services
    project_id = call.caller.project_id

    def read(
        tx: Transaction,
    ) -> tuple[list[Site], list[tuple[ProtectionGroup, Policy | None, int]], Delegation | None, str]:
        groups = tx.groups.select(project_id=project_id) if project_id else []
        counts = tx.members.count([group.id for group in groups])
        rows = [(group, tx.policies.get(group.id), counts.get(group.id, 0)) for group in groups]
        return tx.sites.all(), rows, tx.tenants.delegation(project_id or ""), tx.now()

    sites, rows, delegation, now = services.store.run(read)
    checks = [
        Check("protector-api", "ok", f"Responding on port {services.config.port}"),
        _engines(call),
        Check("database", "ok", f"Connected ({services.config.database_kind})"),
        services.probes.storage(),
        *(services.probes.reachable(site) for site in sites),
    ]
    groups = [
        _group(group, policy, count, delegation, now, services.probes.replication(group, policy))
        for group, policy, count in rows
    ]
    return Answer(HealthAnswer(health=_shown(call, checks, groups)).model_dump(mode="json", exclude_unset=True))


def _engines(call: Call) -> Check:
    heard = [owner for owner, age in call.services.store.engines() if age < call.services.config.engine_grace]
    if not heard:
        return Check("protector-engine", "error", "No engine was heard of lately; start protector-engine")
    return Check("protector-engine", "ok", "Running" if len(heard) == 1 else f"Running ({len(heard)} engines)")


def _group(
    group: ProtectionGroup,
    policy: Policy | None,
    members: int,
    delegation: Delegation | None,
    now: str,
    link: LinkReport,
) -> GroupHealth:
    lag = link.lag_seconds if link.lag_seconds is not None else _age(group.last_replication_at, now)
    compliant = lag <= policy.rpo_minutes * 60 if policy and lag is not None else None
    reasons = [*_against(group, policy, members, delegation), *link.reasons]
    if compliant is False:
        reasons.append(
            f"The newest recovery point is {lag} s old, the policy asks for {policy.rpo_minutes if policy else 0} min."
        )
    return GroupHealth(
        protection_group_id=group.id,
        name=group.name,
        link=link.link,  # type: ignore[arg-type]  # checked by the model
        lag_seconds=lag,
        rpo_minutes=policy.rpo_minutes if policy else None,
        rpo_compliant=compliant,
        failover_ready=not reasons,
        reasons=reasons,
    )


def _against(group: ProtectionGroup, policy: Policy | None, members: int, delegation: Delegation | None) -> list[str]:
    """Why a planned failover would not succeed now, as far as the database knows."""
    found = []
    if group.status not in RESTING_GROUP or group.status is GroupStatus.ERROR:
        found.append(f"The group is {group.status}: {group.status.sentence}")
    if not members:
        found.append("The group has no members.")
    if policy is None:
        found.append("The group has no replication policy.")
    elif policy.status is not PolicyStatus.ACTIVE:
        found.append(f"The replication policy is {policy.status}: {policy.error_message or policy.status.sentence}")
    if group.remote_sync_status is not SyncStatus.SYNCED:
        found.append(f"The metadata is {group.remote_sync_status}: {group.remote_sync_status.sentence}")
    if delegation is None:
        found.append("The project has no delegation on this site.")
    elif delegation.status != "active":
        found.append(f"The project's delegation is {delegation.status}: {delegation.reason}")
    return found


def _age(then: str | None, now: str) -> int | None:
    if then is None:
        return None
    return int((datetime.datetime.fromisoformat(now) - datetime.datetime.fromisoformat(then)).total_seconds())


def _shown(call: Call, checks: list[Check], groups: list[GroupHealth]) -> Health:
    if call.version >= HEALTH_DETAILS:
        components = [Component(component=c.name, status=c.status, detail=c.detail) for c in checks]  # type: ignore[arg-type]
        return Health(components=components, protection_groups=groups)
    components = [Component(component=c.name, status=c.status) for c in checks]  # type: ignore[arg-type]
    plain = [GroupHealth.model_validate(group.model_dump(exclude={"lag_seconds", "reasons"})) for group in groups]
    return Health(components=components, protection_groups=plain)


def get_healthcheck(call: Call) -> Answer:
    """200 `OK` when requests can be served, 503 when the database is away."""
    try:
        call.services.store.run(lambda tx: tx.now())
    except ProtectorError as error:
        return Answer(error.title.encode(), status=503, content_type="text/plain")
    return Answer(b"OK", content_type="text/plain")


def get_metrics(call: Call) -> Answer:
    return Answer(generate_latest(call.services.metrics), content_type=CONTENT_TYPE_LATEST)
