"""`protector-api`: the REST service. Stateless; stopped by SIGTERM, answers what it has begun."""

import logging
import signal
import sys
from types import FrameType

import waitress
from keystonemiddleware import auth_token

from siterecovery.protector.api.deploy import make_app
from siterecovery.protector.processes import command, logs, wiring
from siterecovery.protector.processes.settings import Settings

LOG = logging.getLogger(__name__)


def main() -> None:
    arguments = command.parser("protector-api", "Protector's REST service").parse_args()
    sys.exit(command.run(arguments, serve))


def serve(settings: Settings) -> None:
    logs.set_up(debug=settings.debug, log_file=settings.log_file)
    parts = wiring.assemble(settings)

    def check(app: object) -> object:
        return auth_token.AuthProtocol(app, {"oslo_config_config": settings.conf})

    app = make_app(wiring.make_services(parts), wiring.make_enforcer(settings), check, settings.limits)  # type: ignore[arg-type]
    server = waitress.create_server(app, host=settings.host, port=settings.port, threads=settings.api_threads)

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    LOG.info("protector-api of %s listens on %s:%s", settings.site_name, settings.host, settings.port)
    try:
        server.run()
    finally:
        server.close()
        parts.close()
