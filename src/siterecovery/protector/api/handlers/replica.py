"""What the other site's Protector says and asks. Thin: signatures, epochs and claims are judged by `peer.service`.

The peer's service user speaks for any project; a tenant, who may carry a document (client relay), for its own only.
"""

from collections.abc import Callable
from typing import Any

from siterecovery.protector.api.call import Answer, Call
from siterecovery.protector.api.errors import NotAvailable
from siterecovery.protector.api.schemas.replica import PutReplica
from siterecovery.protector.peer.envelope import Kind
from siterecovery.protector.peer.service import PeerService


def _service(call: Call) -> PeerService:
    if call.services.replica is None:
        raise NotAvailable("This Protector does not speak with a peer.", code="replica.not_available")
    return call.services.replica


def _project(call: Call) -> str | None:
    return None if call.caller.is_peer else call.project_id


def _signed(call: Call) -> dict[str, Any]:
    return call.read(PutReplica).replica.model_dump(mode="json")


def get_replica(call: Call) -> Answer:
    """The group's document, signed by this site, its secrets sealed to the other one."""
    return Answer({"replica": dict(_service(call).document(call.params["group"], _project(call)))})


def get_view(call: Call) -> Answer:
    """What this site's database says about the group now."""
    return Answer({"view": _service(call).view(call.params["group"], _project(call))})


def put_replica(call: Call) -> Answer:
    """Takes the other site's document if it is newer; 403 when it was altered."""
    return Answer(_service(call).put(call.params["group"], _signed(call), _project(call)))


def act(kind: Kind) -> Callable[[Call], Answer]:
    """The handler of one verb of the peer protocol."""

    def handler(call: Call) -> Answer:
        return Answer(_service(call).act(kind, call.params["group"], _signed(call)))

    handler.__name__ = f"{kind.value}_replica"
    handler.__doc__ = f"The peer's signed `{kind.value}`."
    return handler
