"""Stories that every cluster fulfils, the one in memory and the real one: (name, story) pairs; a story takes a cluster and a namespace."""

import asyncio

import pytest

from siterecovery.kubevirt.clusters import base
from siterecovery.kubevirt.domain.resources import PROTECTION_GROUPS

SPEC = {
    "clusters": {"primary": "cluster1", "dr": "cluster2"},
    "virtualMachines": [{"name": "vm1"}],
    "desiredState": "running",
}


def group(namespace, name="pg-a", **metadata):
    made = PROTECTION_GROUPS.header(name, namespace) | {"spec": SPEC}
    return made | {"metadata": made["metadata"] | metadata}


def numbers(obj):
    return obj["metadata"]["resourceVersion"], obj["metadata"]["generation"]


async def writes_are_conditional(cluster, namespace):
    """Of two writers with the same reading the second one conflicts; a second create and a precondition that fails conflict too."""
    made = await cluster.create(PROTECTION_GROUPS, group(namespace))
    with pytest.raises(base.AlreadyExists):
        await cluster.create(PROTECTION_GROUPS, group(namespace))
    await cluster.update(PROTECTION_GROUPS, made | {"metadata": made["metadata"] | {"labels": {"a": "b"}}})
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"desiredState": "stopped"}}
    for write in (
        cluster.update(PROTECTION_GROUPS, made),
        cluster.patch(PROTECTION_GROUPS, "pg-a", namespace, stale),
        cluster.delete(PROTECTION_GROUPS, "pg-a", namespace, uid="another"),
    ):
        with pytest.raises(base.Conflict):
            await write
    await cluster.delete(PROTECTION_GROUPS, "pg-a", namespace, uid=made["metadata"]["uid"])
    assert await cluster.find(PROTECTION_GROUPS, "pg-a", namespace) is None


async def spec_and_status_are_apart(cluster, namespace):
    """A write of the spec raises the generation and leaves the status; one of the status does neither touch the spec nor the generation."""
    made = await cluster.create(PROTECTION_GROUPS, group(namespace))
    both = {"spec": {"desiredState": "stopped"}, "status": {"currentState": "running"}}
    changed = await cluster.patch(PROTECTION_GROUPS, "pg-a", namespace, both)
    assert (changed["metadata"]["generation"], changed.get("status", {})) == (made["metadata"]["generation"] + 1, {})
    told = await cluster.patch(
        PROTECTION_GROUPS, "pg-a", namespace, both | {"spec": {"desiredState": "running"}}, subresource="status"
    )
    assert (told["status"], told["spec"]["desiredState"]) == ({"currentState": "running"}, "stopped")
    assert told["metadata"]["generation"] == changed["metadata"]["generation"]


async def a_write_that_changes_nothing_is_none(cluster, namespace):
    """The same patch again leaves the resourceVersion; a null takes a field away."""
    await cluster.create(PROTECTION_GROUPS, group(namespace, annotations={"a": "1"}))
    patch = {"metadata": {"annotations": {"b": "2"}}}
    one = await cluster.patch(PROTECTION_GROUPS, "pg-a", namespace, patch)
    two = await cluster.patch(PROTECTION_GROUPS, "pg-a", namespace, patch)
    assert numbers(one) == numbers(two)
    gone = await cluster.patch(PROTECTION_GROUPS, "pg-a", namespace, {"metadata": {"annotations": {"a": None}}})
    assert gone["metadata"]["annotations"] == {"b": "2"}


async def applied_fields_belong_to_their_manager(cluster, namespace):
    """What a manager leaves out is removed, conditions one by one, and nobody else's."""
    await cluster.create(PROTECTION_GROUPS, group(namespace))

    def condition(kind):
        stamp = "2026-11-21T00:00:00Z"
        return {"type": kind, "status": "True", "reason": "X", "message": "", "lastTransitionTime": stamp}

    async def apply(manager, **status):
        obj = PROTECTION_GROUPS.header("pg-a", namespace) | {"status": status}
        return (await cluster.apply(PROTECTION_GROUPS, obj, manager=manager, subresource="status"))["status"]

    await apply("one", currentState="running", observedGeneration=1, conditions=[condition("Ready"), condition("Old")])
    await apply("two", location="cluster1", conditions=[condition("Moved")])
    found = await apply("one", currentState="mixed", conditions=[condition("Ready")])
    kinds = sorted(item["type"] for item in found.pop("conditions"))
    assert (found, kinds) == ({"currentState": "mixed", "location": "cluster1"}, ["Moved", "Ready"])


async def a_finalizer_holds(cluster, namespace):
    """A deleted object with a finalizer stays, marked, until the finalizer is taken away."""
    await cluster.create(PROTECTION_GROUPS, group(namespace, finalizers=["siterecovery.trilio.io/finalizer"]))
    await cluster.delete(PROTECTION_GROUPS, "pg-a", namespace)
    held = await cluster.get(PROTECTION_GROUPS, "pg-a", namespace)
    assert held["metadata"]["deletionTimestamp"]
    await cluster.patch(PROTECTION_GROUPS, "pg-a", namespace, {"metadata": {"finalizers": None}})
    assert await cluster.find(PROTECTION_GROUPS, "pg-a", namespace) is None


async def a_watch_tells_what_comes_after_a_list(cluster, namespace):
    """From a list's version on, every change is told once, in order, with a label selector only those that have the label."""
    await cluster.create(PROTECTION_GROUPS, group(namespace, "old"))
    listing = await cluster.list(PROTECTION_GROUPS, namespace)
    assert [item["metadata"]["name"] for item in listing.items] == ["old"]
    await cluster.create(PROTECTION_GROUPS, group(namespace, "new", labels={"a": "b"}))
    await cluster.patch(PROTECTION_GROUPS, "new", namespace, {"spec": {"desiredState": "stopped"}})
    await cluster.delete(PROTECTION_GROUPS, "old", namespace)
    await cluster.delete(PROTECTION_GROUPS, "new", namespace)
    assert await _seen(cluster, listing, namespace, 4) == ["ADDED new", "MODIFIED new", "DELETED old", "DELETED new"]
    assert await _seen(cluster, listing, namespace, 3, "a=b") == ["ADDED new", "MODIFIED new", "DELETED new"]
    assert (await cluster.list(PROTECTION_GROUPS, namespace)).items == ()


async def _seen(cluster, listing, namespace, count, labels=""):
    seen = []
    async with asyncio.timeout(20):
        events = cluster.watch(PROTECTION_GROUPS, since=listing.resource_version, namespace=namespace, labels=labels)
        async for event in events:
            if event.type != "BOOKMARK":
                seen.append(f"{event.type} {event.object['metadata']['name']}")
            if len(seen) == count:
                break
        await events.aclose()
    return seen


STORIES = [
    writes_are_conditional,
    spec_and_status_are_apart,
    a_write_that_changes_nothing_is_none,
    applied_fields_belong_to_their_manager,
    a_finalizer_holds,
    a_watch_tells_what_comes_after_a_list,
]
