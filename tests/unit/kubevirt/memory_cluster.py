"""A cluster in memory, for the speed of unit tests: objects, resourceVersions, conditional writes, watches, faults.

It fulfils `clusters.base.Cluster`, and is held to it by the stories of `promise.py`, which run here and on a real API server in
`tests/kubernetes/groups`. It knows no schema, no admission, no garbage collection and no KubeVirt."""

import asyncio
import copy
import datetime
import uuid

from siterecovery.kubevirt.clusters import base

EPOCH = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)


class MemoryCluster:
    def __init__(self, name="cluster1"):
        self.name = name
        self.objects = {}
        self.events = []
        self.changed = asyncio.Event()
        self.version = 0
        self.managed = {}
        self.broken = None
        """An error every call raises; a callable (verb, resource, name) -> error or None."""
        self.calls = []
        self.started = []
        """(namespace, name) of the VMs whose start was asked for."""
        self.seconds = 0.0
        self.oldest = 0
        """Watches from before this version are Gone."""

    # what tests say

    def put(self, resource, obj, status=None):
        """Puts an object there, as whoever made it would."""
        obj = copy.deepcopy(obj) | ({"status": status} if status is not None else {})
        key = self._key(resource, obj["metadata"]["name"], obj["metadata"].get("namespace"))
        old = self.objects.get(key)
        metadata = {"uid": old["metadata"]["uid"] if old else str(uuid.uuid4()), "generation": 1} | obj["metadata"]
        return self._store(key, obj | {"metadata": metadata}, "MODIFIED" if old else "ADDED", resource)

    def take(self, resource, name, namespace=None):
        """Removes an object, as whoever owns it would."""
        key = self._key(resource, name, namespace)
        gone = self.objects.pop(key)
        self._tell("DELETED", key, gone)

    def of(self, resource, name, namespace=None):
        return copy.deepcopy(self.objects[self._key(resource, name, namespace)])

    def forget_history(self):
        self.oldest = self.version + 1
        self.events.clear()
        self.changed.set()

    # base.Cluster

    async def get(self, resource, name, namespace=None):
        self._check("get", resource, name)
        try:
            return self.of(resource, name, namespace)
        except KeyError:
            raise base.NotFound(f"{resource.kind} {name} not found", cluster=self.name, status=404) from None

    async def find(self, resource, name, namespace=None):
        try:
            return await self.get(resource, name, namespace)
        except base.NotFound:
            return None

    async def list(self, resource, namespace=None, *, labels="", fields=""):
        self._check("list", resource, "")
        found = [
            copy.deepcopy(item)
            for (plural, space, _), item in self.objects.items()
            if plural == resource.plural and namespace in (None, space) and _matches(item, labels)
        ]
        return base.Listing(tuple(found), str(self.version))

    async def watch(self, resource, *, since, namespace=None, labels="", silence=75.0):
        self._check("watch", resource, "")
        at = int(since)
        while True:
            if at < self.oldest - 1:
                raise base.Gone("too old resource version", cluster=self.name, status=410)
            self._check("watch", resource, "")
            for version, kind, (plural, space, _), obj in list(self.events):
                if version > at:
                    at = version
                    if plural == resource.plural and namespace in (None, space) and _matches(obj, labels):
                        yield base.WatchEvent(kind, copy.deepcopy(obj))
            self.changed.clear()
            try:
                async with asyncio.timeout(silence):
                    await self.changed.wait()
            except TimeoutError:
                raise base.TimedOut("silence", cluster=self.name) from None

    async def create(self, resource, obj):
        name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
        self._check("create", resource, name)
        key = self._key(resource, name, namespace)
        if key in self.objects:
            raise base.AlreadyExists(f"{resource.kind} {name} already exists", cluster=self.name, status=409)
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, **copy.deepcopy(obj)}
        obj["metadata"] |= {"uid": str(uuid.uuid4()), "generation": 1}
        return self._store(key, obj, "ADDED", resource)

    async def update(self, resource, obj, *, subresource=None):
        self._check("update", resource, obj["metadata"]["name"])
        key, old = self._existing(resource, obj["metadata"]["name"], obj["metadata"].get("namespace"))
        return self._write(key, old, copy.deepcopy(obj), resource, subresource)

    async def patch(self, resource, name, namespace, patch, *, subresource=None, manager="site-recovery"):
        self._check("patch", resource, name)
        key, old = self._existing(resource, name, namespace)
        return self._write(key, old, _merged(copy.deepcopy(old), patch), resource, subresource)

    async def apply(self, resource, obj, *, manager, subresource=None):
        name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
        self._check("apply", resource, name)
        key = self._key(resource, name, namespace)
        leaves = dict(_leaves({k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}))
        leaves |= {("metadata", *path): value for path, value in _leaves(_applied_metadata(obj))}
        if key not in self.objects:
            await self.create(resource, resource.header(name, namespace))
        old = self.objects[key]
        new = copy.deepcopy(old)
        for path in self.managed.get((key, manager, subresource), set()) - leaves.keys():
            _set(new, path, None)
        for path, value in leaves.items():
            _set(new, path, value)
        self.managed[key, manager, subresource] = set(leaves)
        new["metadata"].pop("resourceVersion", None)
        return self._write(key, old, new, resource, subresource)

    async def delete(
        self, resource, name, namespace=None, *, uid=None, resource_version=None, propagation="Background"
    ):
        self._check("delete", resource, name)
        key, old = self._existing(resource, name, namespace)
        if uid not in (None, old["metadata"]["uid"]) or resource_version not in (
            None,
            old["metadata"]["resourceVersion"],
        ):
            raise base.Conflict("precondition failed", cluster=self.name, status=409)
        if old["metadata"].get("finalizers"):
            stamp = {"deletionTimestamp": "2026-11-21T00:00:00Z"}
            self._store(key, copy.deepcopy(old) | {"metadata": old["metadata"] | stamp}, "MODIFIED", resource)
            return
        self._tell("DELETED", key, self.objects.pop(key))

    async def call(self, resource, name, namespace, subresource, body=None):
        self._check(subresource, resource, name)
        self.started.append((namespace, name))

    async def server_time(self):
        self._check("time", None, "")
        return EPOCH + datetime.timedelta(seconds=self.seconds)

    async def close(self):
        """Nothing is open."""

    # inside

    def _check(self, verb, resource, name):
        self.calls.append((verb, resource.plural if resource else "", name))
        error = self.broken(verb, resource, name) if callable(self.broken) else self.broken
        if error is not None:
            raise error

    def _key(self, resource, name, namespace):
        return resource.plural, namespace or "", name

    def _existing(self, resource, name, namespace):
        key = self._key(resource, name, namespace)
        if key not in self.objects:
            raise base.NotFound(f"{resource.kind} {name} not found", cluster=self.name, status=404)
        return key, self.objects[key]

    def _write(self, key, old, new, resource, subresource):
        wanted = new["metadata"].get("resourceVersion")
        if wanted not in (None, old["metadata"]["resourceVersion"]):
            raise base.Conflict("the object has been modified", cluster=self.name, status=409)
        if subresource == "status":
            new = copy.deepcopy(old) | {"status": new.get("status", {})}
        elif resource.group in ("siterecovery.trilio.io", "kubevirt.io"):
            new["status"] = old.get("status", {})
        if new.get("spec") != old.get("spec"):
            new["metadata"] = new["metadata"] | {"generation": old["metadata"]["generation"] + 1}
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            self._tell("DELETED", key, self.objects.pop(key))
            return new
        same = {**new, "metadata": new["metadata"] | {"resourceVersion": old["metadata"]["resourceVersion"]}}
        if same == old:
            return copy.deepcopy(old)
        return self._store(key, new, "MODIFIED", resource)

    def _store(self, key, obj, kind, resource):
        self.version += 1
        stamp = (EPOCH + datetime.timedelta(seconds=self.seconds)).isoformat().replace("+00:00", "Z")
        fields = {"resourceVersion": str(self.version), "managedFields": [{"time": stamp}]}
        obj = obj | {"metadata": obj["metadata"] | fields}
        obj.setdefault("apiVersion", resource.api_version)
        obj.setdefault("kind", resource.kind)
        self.objects[key] = obj
        self._tell(kind, key, obj)
        return copy.deepcopy(obj)

    def _tell(self, kind, key, obj):
        if kind == "DELETED":
            self.version += 1
            obj = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}
        self.events.append((self.version, kind, key, obj))
        self.changed.set()


def _matches(obj, labels):
    there = obj["metadata"].get("labels") or {}
    for part in filter(None, labels.split(",")):
        key, _, value = part.partition("=")
        if key not in there or (value and there[key] != value):
            return False
    return True


def _merged(target, patch):
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = _merged(dict(target.get(key) or {}), value)
        else:
            target[key] = copy.deepcopy(value)
    return target


def _applied_metadata(obj):
    return {key: obj["metadata"][key] for key in ("labels", "annotations") if key in obj["metadata"]}


def _leaves(node, path=()):
    """Lists are atomic, but for conditions, whose types are owned one by one."""
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, key))
        elif key == "conditions":
            yield from (((*path, key, item["type"]), item) for item in value)
        else:
            yield (*path, key), value


def _set(obj, path, value):
    *parents, last = path
    for key in parents:
        if key == "conditions":
            rest = [item for item in obj.get("conditions") or [] if item["type"] != last]
            obj["conditions"] = rest if value is None else [*rest, copy.deepcopy(value)]
            return
        obj = obj.setdefault(key, {})
    if value is None:
        obj.pop(last, None)
    else:
        obj[last] = copy.deepcopy(value)
