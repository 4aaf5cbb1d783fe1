"""`workflow.Journal` over the status of one Failover: each commit is one write, conditional on the resourceVersion that was read.

A Conflict means that somebody else wrote: the object is read again and the same entries are merged into what is there now. What fences an owner is
`status.epoch` alone: it is raised by each claim, and a write under an older one is refused before it is sent. So a lost answer, which shows as a
Conflict with oneself, ends in the same rows."""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.clusters.blocking import Bridge
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.names import FAILOVER_CONTROLLER
from siterecovery.kubevirt.domain.resources import FAILOVERS, Object, Resource
from siterecovery.kubevirt.journal import rows
from siterecovery.workflow.clock import Clock
from siterecovery.workflow.journal import Entry, JournalUnavailable, Write
from siterecovery.workflow.step import Fenced, Refused

LOG = logging.getLogger(__name__)
TRIES = 8
Change = Callable[[Object], None]
"""What is committed with entries: changes the status in place. May be called again on a newer status."""


class StatusJournal:
    """Blocking, as the core wants it: `bridge` leads to the event loop of the cluster's client. `obj`: the Failover (or what else is of kind
    `resource` and has such a status) as it was claimed."""

    def __init__(
        self,
        cluster: base.Cluster,
        obj: Object,
        bridge: Bridge,
        clock: Clock,
        *,
        resource: Resource = FAILOVERS,
        manager: str = FAILOVER_CONTROLLER,
    ) -> None:
        self._cluster = cluster
        self._object = obj
        self._bridge = bridge
        self._clock = clock
        self._resource = resource
        self._manager = manager

    def load(self, operation: str) -> Mapping[str, Entry]:
        try:
            self._object = self._bridge(self._read())
        except base.NotFound as error:
            raise Fenced(str(error)) from error
        except base.ClusterError as error:
            raise JournalUnavailable(str(error)) from error
        return rows.load(self._status)

    def commit(self, writes: Sequence[Write]) -> Sequence[Exception | None]:
        return self._bridge(self.write(writes))

    @property
    def _status(self) -> Object:
        return dict(self._object.get("status") or {})

    async def write(self, writes: Sequence[Write]) -> list[Exception | None]:
        """The same for callers in the loop. Raises JournalUnavailable when nobody knows whether anything was written."""
        try:
            return await self._write(writes)
        except base.Invalid as error:
            if len(writes) == 1:
                LOG.exception("the status of a %s was refused: this is a bug", self._resource.kind)
                return [Refused(f"the {self._resource.kind}'s status was refused: {error}")]
            return [(await self.write([write]))[0] for write in writes]
        except base.NotFound:
            return [Fenced(f"the {self._resource.kind} was deleted")] * len(writes)
        except base.ClusterError as error:
            raise JournalUnavailable(str(error)) from error

    async def _write(self, writes: Sequence[Write]) -> list[Exception | None]:
        for _ in range(TRIES):
            status, answers = self._merged(writes)
            patch = _difference(self._status, status)
            if not patch:
                return answers
            try:
                await self._send(patch)
            except base.Conflict:
                self._object = await self._read()
            else:
                return answers
        raise JournalUnavailable(f"the {self._resource.kind} was changed by others {TRIES} times in a row")

    def _merged(self, writes: Sequence[Write]) -> tuple[Object, list[Exception | None]]:
        """The status with all writes that may be made, and each write's answer."""
        status, answers = self._status, list[Exception | None]()
        for write in writes:
            try:
                status = self._with(status, write)
            except Exception as error:  # noqa: BLE001 - answered for this write: its writer sees it
                answers.append(error)
            else:
                answers.append(None)
        return status, answers

    def _with(self, status: Object, write: Write) -> Object:
        newest = status.get("epoch") or 0
        if write.epoch != newest:
            raise Fenced(f"{write.operation} is executed under epoch {newest}, not {write.epoch}")
        new = copy.deepcopy(status)
        now = times.stamp(self._clock.now())
        for entry in write.entries:
            rows.put(new, entry, now)
        for change in write.changes:
            change(new)
        return new

    async def _send(self, patch: Object) -> None:
        metadata = self._object["metadata"]
        self._object = await self._cluster.patch(
            self._resource,
            metadata["name"],
            metadata["namespace"],
            {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": patch},
            subresource="status",
            manager=self._manager,
        )

    async def _read(self) -> Object:
        metadata = self._object["metadata"]
        found = await self._cluster.get(self._resource, metadata["name"], metadata["namespace"])
        if found["metadata"]["uid"] != metadata["uid"]:
            raise base.NotFound(f"{self._cluster.name}: {metadata['name']} is another {self._resource.kind} by now")
        return found


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object:
    """A merge patch from `old` to `new`, field by field: lists are replaced whole."""
    return {key: new.get(key) for key in {**old, **new} if old.get(key) != new.get(key)}
