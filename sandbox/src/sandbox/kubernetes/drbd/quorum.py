"""DRBD's quorum: who may write, and who must not.

Replicas with a disk vote. A majority of them, oneself included, has quorum; diskless nodes only break the tie of an even number, and only for
a node that had quorum until now ("would lose quorum, but using tiebreaker logic to keep"): they never give back what was lost. So of
two halves that both still see the tiebreaker, each keeps its quorum; what stops the second Primary there is that it can see the first.
"""

from __future__ import annotations

from sandbox.kubernetes.drbd.model import Replica, Resource


def judge(resource: Resource) -> dict[str, bool]:
    """Who has quorum now, by node. What is on the replicas is what they had until now, and is left as it is."""
    verdicts = {replica.node: _with_disk(resource, replica) for replica in resource.diskful()}
    for replica in resource.replicas.values():
        if not replica.diskful:
            # Without a disk one has what the disks within reach have.
            verdicts[replica.node] = replica.options.quorum == "off" or any(
                verdicts[peer.node] for peer in resource.peers(replica.node) if peer.diskful
            )
    return verdicts


def _with_disk(resource: Resource, replica: Replica) -> bool:
    if replica.options.quorum == "off":
        return True
    voters = len(resource.diskful())
    needed = voters if replica.options.quorum == "all" else voters // 2 + 1
    peers = resource.peers(replica.node)
    present = 1 + sum(peer.diskful for peer in peers)
    if present >= needed:
        return True
    tie = replica.options.quorum == "majority" and voters % 2 == 0 and present == needed - 1
    return tie and replica.quorum and _breaks_tie(resource, peers)


def _breaks_tie(resource: Resource, peers: list[Replica]) -> bool:
    """A majority of the diskless voters is here. What CSI attaches for a guest is a DRBD client, which has no vote."""
    known = sum(other.votes_on_ties for other in resource.replicas.values())
    return known > 0 and sum(peer.votes_on_ties for peer in peers) > known // 2
