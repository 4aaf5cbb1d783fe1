"""Who has changed what, with which outcome: one CADF-like JSON line for each mutating call, on the logger `protector.audit`.

Bodies are never part of it: they may hold secrets.
"""

import json
import logging

from siterecovery.protector.api.call import Call
from siterecovery.protector.domain.errors import ProtectorError

LOG = logging.getLogger("protector.audit")


def record(call: Call, method: str, rule: str, status: int, error: ProtectorError | None = None) -> None:
    """`rule` is the policy rule of the route: the stable name of the action."""
    event = {
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "eventType": "activity",
        "action": rule,
        "method": method,
        "outcome": "success" if error is None else "failure",
        "initiator": {
            "typeURI": "service/security/account/user",
            "id": call.caller.user_id,
            "name": call.caller.user_name,
            "project_id": call.caller.project_id,
        },
        "target": {"typeURI": "service/disaster-recovery", **call.params},
        "observer": {"id": call.services.identity.site_name, "typeURI": "service/protector-api"},
        "reason": {"reasonCode": str(status), "reasonType": error.code if error else "HTTP"},
        "requestId": call.request_id,
    }
    LOG.info(json.dumps(event, sort_keys=True))
