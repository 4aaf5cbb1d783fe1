"""The request id that an operation carries into every service it calls.

`X-Openstack-Request-Id` of the form `req-<uuid>` is logged by all OpenStack services as the *global* request id, so that one search finds
what an operation did on both clouds. It travels in a context variable: steps run in worker threads and never see it.
"""

import contextlib
import uuid
from collections.abc import Iterator
from contextvars import ContextVar

_CARRIED: ContextVar[str | None] = ContextVar("protector_request_id", default=None)


def current() -> str | None:
    """The id to send, None outside any operation (the services then mint their own)."""
    return _CARRIED.get()


def for_operation(operation_id: str) -> str:
    """The operation's own id in the form services accept; one that is no UUID is turned into one, always the same."""
    try:
        return f"req-{uuid.UUID(operation_id)}"
    except ValueError:
        return f"req-{uuid.uuid5(uuid.NAMESPACE_OID, operation_id)}"


@contextlib.contextmanager
def carry(operation_id: str) -> Iterator[str]:
    """Calls made inside (in this thread or context) carry the operation's id."""
    token = _CARRIED.set(for_operation(operation_id))
    try:
        yield for_operation(operation_id)
    finally:
        _CARRIED.reset(token)
