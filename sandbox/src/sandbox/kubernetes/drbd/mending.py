"""What an administrator does by hand on the nodes (`drbdadm connect`, `--discard-my-data`), or LINSTOR's adjust does for him."""

from __future__ import annotations

from sandbox.kubernetes.drbd.model import Disk, Replica, Resource
from sandbox.kubernetes.drbd.world import Drbd


class MayNotDiscard(ValueError):
    """A Primary cannot give up its data; the message says what to do first."""


def connect(drbd: Drbd, resource: Resource, node: str) -> None:
    """Leave StandAlone and try again; after a split brain that ends where it was."""
    replica = resource.replicas[node]
    for peer in list(replica.standalone):
        if peer in resource.replicas:
            resource.replicas[peer].standalone.discard(node)
    replica.standalone.clear()
    drbd.settle_resource(resource)


def discard(drbd: Drbd, resource: Resource, node: str) -> None:
    """Give up what this node has written and take the other side's data."""
    replica = resource.replicas[node]
    if replica.primary:
        raise MayNotDiscard(f"{node} is Primary: close the device of {resource.name} there first")
    drbd.note("replica", "discarded", f"{resource.name}/{node}", generation=replica.generation)
    empty(replica)
    connect(drbd, resource, node)


def empty(replica: Replica) -> None:
    """Its data counts for nothing any more."""
    replica.history.clear()
    replica.missed.clear()
    replica.disk, replica.generation, replica.sync = Disk.INCONSISTENT, 0, None


def remove(drbd: Drbd, resource: Resource, node: str) -> None:
    """Take a replica out of the resource."""
    del resource.replicas[node]
    resource.connected = {pair for pair in resource.connected if node not in pair}
    for other in resource.replicas.values():
        other.standalone.discard(node)
        other.missed.discard(node)
        if other.sync and other.sync.source == node:
            other.sync = None
    drbd.settle_resource(resource)
