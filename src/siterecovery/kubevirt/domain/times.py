"""Times as Kubernetes writes them."""

import datetime


def stamp(moment: datetime.datetime) -> str:
    """metav1.Time: whole seconds."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(moment: datetime.datetime) -> str:
    """metav1.MicroTime, as Leases want it."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)
