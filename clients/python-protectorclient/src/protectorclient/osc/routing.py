"""Which site to ask about a protection group.

Both sites are asked at once and the newer record (failover epoch, then metadata version) is believed: a site that was
lost and came back may not know yet that the group has moved. Nobody is waited for long, and a dead site is not waited
for at all where the other one is enough.
"""

import dataclasses
import queue
import threading

from protectorclient import exceptions
from protectorclient.osc.clouds import Cloud, Clouds
from protectorclient.v1.base import Resource, not_found

PATIENCE = 10.0
"""Seconds for the second site once the first has answered: two attempts to connect, and a little."""


PLANNED = "If the site is really lost, use --type unplanned; otherwise repair it and try again."


@dataclasses.dataclass(frozen=True)
class View:
    """What one site says: its own name and its record of the group, or why it says nothing."""

    cloud: Cloud
    site: str | None = None
    group: Resource | None = None
    error: exceptions.ProtectorClientError | None = None


@dataclasses.dataclass(frozen=True)
class Place:
    """Where to send a command: a cloud, the group's record, and the other cloud if it answered."""

    cloud: Cloud
    group: Resource
    other: Cloud | None = None

    @property
    def group_id(self) -> str:
        return str(self.group.id)


def active(clouds: Clouds, group: str) -> Place:
    """The site where the group is active."""
    views, record = _consult(clouds, group)
    return _at(str(record.current_primary_site), views, record)


def target(clouds: Clouds, group: str, action: str) -> Place:
    """The site that an unplanned `failover` or `failback` moves the group to.

    Where the state does not allow the move, or only members are missing, that is the site where the group is.
    """
    views, record = _consult(clouds, group)
    moved = str(record.status).startswith("failed_over")
    if moved is (action == "failover"):
        return _at(str(record.current_primary_site), views, record)
    names = (str(record.primary_site), str(record.secondary_site))
    elsewhere = names[1] if record.current_primary_site == names[0] else names[0]
    return _at(elsewhere, views, record, remedy="An unplanned move needs the site that it moves to.")


def reachable(clouds: Clouds, group: str) -> Place:
    """The site where the group is active if it answers, else the one that does: for looking, and for cleaning up."""
    views, record = _consult(clouds, group)
    try:
        return _at(str(record.current_primary_site), views, record)
    except exceptions.ProtectorClientError:
        found = next(view for view in views if view.group is record)
        return Place(found.cloud, record, None)


def _consult(clouds: Clouds, group: str) -> tuple[list[View], Resource]:
    """Every view, and the newest record among them."""
    views = _ask(clouds.known, group)
    records = [view.group for view in views if view.group is not None]
    if records:
        return views, max(records, key=lambda item: (item.failover_epoch or 0, item.metadata_version or 0))
    errors = [view.error for view in views if view.error is not None]
    if errors:
        raise errors[0]
    raise not_found("protection group", group)


def _ask(clouds: list[Cloud], group: str) -> list[View]:
    for cloud in clouds:
        # In the main thread: it may ask for a password. An incomplete configuration is not a dead site.
        cloud.client  # noqa: B018
    answers: queue.SimpleQueue[tuple[int, View]] = queue.SimpleQueue()
    for index, cloud in enumerate(clouds):
        threading.Thread(target=_answer, args=(index, cloud, group, answers), daemon=True).start()
    views = {index: View(cloud, error=_silent(cloud)) for index, cloud in enumerate(clouds)}
    waiting = set(views)
    while waiting:
        heard = len(waiting) < len(clouds)
        try:
            index, view = answers.get(timeout=PATIENCE if heard else None)
        except queue.Empty:
            break
        views[index] = view
        waiting.discard(index)
    return list(views.values())


def _answer(index: int, cloud: Cloud, group: str, answers: "queue.SimpleQueue[tuple[int, View]]") -> None:
    try:
        answers.put((index, _look(cloud, group)))
    except exceptions.ProtectorClientError as error:
        answers.put((index, View(cloud, error=error)))
    except Exception as error:  # noqa: BLE001  a thread has nobody above it: _consult shows this to the user
        text = f"Asking {cloud.label} failed: {error.__class__.__name__}: {error}"
        answers.put((index, View(cloud, error=exceptions.ProtectorClientError(text))))


def _look(cloud: Cloud, group: str) -> View:
    site = cloud.site_name()
    try:
        return View(cloud, site, cloud.client.protection_groups.find(group))
    except exceptions.NotFound:
        return View(cloud, site)


def _silent(cloud: Cloud) -> exceptions.SiteUnreachable:
    return exceptions.SiteUnreachable(f"{cloud.label} did not answer in time", remedy="Check the network to this site.")


def _at(site: str, views: list[View], record: Resource, remedy: str = PLANNED) -> Place:
    """The place that is `site`, or the reason why it cannot be asked."""
    for view in views:
        if view.site == site and view.error is None:
            others = [item.cloud for item in views if item.cloud is not view.cloud and item.error is None]
            return Place(view.cloud, record, others[0] if others else None)
    failed = [view.error for view in views if view.error is not None]
    if not failed:
        raise exceptions.BadInput(
            f"Protection group '{record.name}' has to be asked about on {site}, and no credentials for {site} were given",
            remedy="Name its entry of clouds.yaml with --secondary-cloud (or OS_SECONDARY_CLOUD).",
        )
    if not isinstance(failed[0], exceptions.SiteUnreachable):
        raise failed[0]
    raise exceptions.SiteUnreachable(
        f"Cannot modify protection group — remote site unreachable: {site} is needed ({failed[0].message})",
        remedy=remedy,
    )
