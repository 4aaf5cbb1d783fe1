"""Events: the story of an object, as `kubectl describe` tells it for an hour. They carry the object's UID, without which it would show none.

An event that cannot be written is logged and forgotten: no work waits for its own story."""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain import times
from siterecovery.kubevirt.domain.resources import EVENTS, Object
from siterecovery.workflow.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)
NORMAL, WARNING = "Normal", "Warning"
_LONGEST = 1024
"""Bytes the API server takes in a message."""


class Recorder:
    def __init__(self, cluster: base.Cluster, component: str, clock: Clock | None = None) -> None:
        self._cluster = cluster
        self._component = component
        self._clock = clock or SystemClock()

    async def record(self, obj: Mapping[str, Any], reason: str, message: str, kind: str = NORMAL) -> None:
        """`obj`: at least apiVersion, kind and metadata with name, namespace and uid. Said again, the same event only counts up."""
        event = self._event(obj, reason, message[:_LONGEST], kind)
        try:
            await self._cluster.create(EVENTS, event)
        except base.AlreadyExists:
            await self._again(event)
        except base.ClusterError as error:
            LOG.warning("event %s was not recorded: %s", reason, error)

    async def _again(self, event: Object) -> None:
        name, namespace = event["metadata"]["name"], event["metadata"]["namespace"]
        try:
            before = await self._cluster.get(EVENTS, name, namespace)
            more = {"count": int(before.get("count") or 1) + 1, "lastTimestamp": event["lastTimestamp"]}
            await self._cluster.patch(EVENTS, name, namespace, more, manager=self._component)
        except base.ClusterError as error:
            LOG.warning("event %s was not counted: %s", event["reason"], error)

    def _event(self, obj: Mapping[str, Any], reason: str, message: str, kind: str) -> Object:
        metadata = obj["metadata"]
        now = times.stamp(self._clock.now())
        digest = hashlib.sha256(f"{metadata.get('uid')}/{kind}/{reason}/{message}".encode()).hexdigest()[:12]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name'][:200]}.{digest}", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata.get("uid", ""),
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._component,
        }
