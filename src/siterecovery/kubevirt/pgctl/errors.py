"""How `pgctl` ends when it does not do what it was asked.

click.ClickException
├── click.UsageError    2  the command line is wrong
└── Failure             1  it was tried and did not succeed
    ├── Unreachable     3  a cluster that is needed gives no answer, or does not let us in
    ├── Conflict        4  somebody else is at it: a lock, another failover, a changed object
    └── Precondition    5  something must be put right first, and the sentence says what

Exit codes are promises: scripts branch on them."""

import click

from siterecovery.kubevirt.clusters import base


class Failure(click.ClickException):
    exit_code = 1


class Unreachable(Failure):
    exit_code = 3


class Conflict(Failure):
    exit_code = 4


class Precondition(Failure):
    exit_code = 5


def translated(error: base.ClusterError) -> Failure:
    """The one place where a cluster's answer becomes an exit code."""
    if isinstance(error, base.NotServed):
        return Precondition(f"{error}. Apply the definitions there: kubectl apply -f deploy/crds")
    if isinstance(error, base.Forbidden) and error.status == 403:
        return Precondition(f"{error}. Ask for the ClusterRole site-recovery-operator, or site-recovery-viewer to read")
    if isinstance(error, base.Forbidden):
        return Unreachable(f"{error}. The credentials are refused: renew those of the context (pgctl config view)")
    if isinstance(error, base.Conflict):
        return Conflict(str(error))
    if isinstance(error, (base.Unknown, base.BadAccess)):
        return Unreachable(f"{error}. Check the kubeconfig contexts with: pgctl config view")
    return Failure(str(error))
