"""`protector-api`: serves the REST API. Stateless; at SIGTERM the requests under way are finished first."""

import logging
import signal
from collections.abc import Sequence
from types import FrameType

from waitress.server import create_server

from siterecovery.protector.processes import entry, wiring
from siterecovery.protector.processes.settings import Settings

LOG = logging.getLogger(__name__)
NAME = "protector-api"


class _Stop(Exception):
    """SIGTERM has arrived."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = entry.parser(NAME, "Serve Protector's REST API.").parse_args(arguments)
    return entry.run(NAME, given.config_file, serve, logging=True)


def serve(found: Settings) -> None:
    parts = wiring.make_parts(found)
    server = create_server(
        wiring.make_app(found, wiring.make_services(parts)),
        host=found.api.host,
        port=found.api.port,
        threads=found.api.threads,
        max_request_body_size=max(found.api.max_document_size, found.api.max_body_size) + 1,
        ident=None,
        clear_untrusted_proxy_headers=True,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _raise_stop)
    LOG.info("protector-api of site %s listens on %s:%s", found.site_name, found.api.host, server.effective_port)
    try:
        server.run()
    except _Stop:
        LOG.info("protector-api stops: requests under way are finished first")
    finally:
        server.task_dispatcher.shutdown(cancel_pending=False)
        server.close()
        parts.close()


def _raise_stop(number: int, frame: FrameType | None) -> None:
    raise _Stop
