"""The independent checker of the Kubernetes half.

It looks at every cluster through its API server, at the machines and guests, and at the replicated disks, each through its own interface and never
through the product; where history is needed, at what the machines and the disks have written down themselves. `check(world)` for programs and
tests, `sandbox kubernetes check` for people.
"""

from sandbox.kubernetes.check.checking import check, judge
from sandbox.kubernetes.check.looking import look
from sandbox.kubernetes.check.picture import Picture, Side

__all__ = ["Picture", "Side", "check", "judge", "look"]
