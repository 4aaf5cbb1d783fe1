"""GET /v1/openapi.json: the API's description, made from the route table and the models once."""

import functools
import json

from siterecovery.protector.api.call import Answer, Call


@functools.cache
def _document() -> bytes:
    # The table imports the handlers, this one among them.
    from siterecovery.protector.api.openapi import document
    from siterecovery.protector.api.routes import ROUTES

    return json.dumps(document(ROUTES), sort_keys=True).encode()


def get_document(call: Call) -> Answer:
    return Answer(_document(), content_type="application/json")
