"""Log lines: one format for all processes, UTC, to standard error or a file."""

import logging
import time


def set_up(*, debug: bool, log_file: str | None) -> None:
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(process)d %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler: logging.Handler = logging.FileHandler(log_file) if log_file else logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for quiet in ("keystoneauth", "keystonemiddleware", "urllib3", "httpx", "httpcore", "alembic", "waitress"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
