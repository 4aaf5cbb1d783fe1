"""Logging for all programs: one line a record, text or JSON, UTC, with the request id; secrets never reach it (they print as a mask)."""

import datetime
import json
import logging
import sys
from typing import Any

from siterecovery.protector.api.middleware.request_id import CALLERS, CURRENT

_PLAIN = {
    *logging.makeLogRecord({}).__dict__,
    *("message", "asctime", "request_id", "global_request_id"),
    *("project", "version", "extra_keys", "context", "instance", "resource"),  # what oslo.log adds to each record
}
_CHATTY = ("urllib3", "keystoneauth", "keystonemiddleware", "httpx", "httpcore", "stevedore", "alembic", "waitress")


class _Ids(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = CURRENT.get()
        record.global_request_id = CALLERS.get()
        return True


class TextFormatter(logging.Formatter):
    """`time pid level logger [request id] message key=value…`; what a caller gives as `extra` (step, operation) is appended."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{_time(record)} {record.process} {record.levelname} {record.name} [{_id(record)}]"
        extra = "".join(f" {key}={value}" for key, value in _extra(record).items())
        line = f"{head} {record.getMessage()}{extra}".replace("\n", " ")  # one line a record: nobody forges a second
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        data: dict[str, Any] = {
            "time": _time(record),
            "pid": record.process,
            "level": record.levelname,
            "logger": record.name,
            "request_id": _id(record),
            "global_request_id": getattr(record, "global_request_id", "-"),
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            data["traceback"] = self.formatException(record.exc_info)
        return json.dumps(data, default=str)


def setup(*, debug: bool = False, file: str | None = None, as_json: bool = False) -> None:
    """The root logger, once a process. What other libraries say at DEBUG stays out: they print headers with tokens."""
    handler: logging.Handler = logging.FileHandler(file) if file else logging.StreamHandler(sys.stderr)
    handler.addFilter(_Ids())
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("siterecovery", "protector"):
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.INFO)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _id(record: logging.LogRecord) -> str:
    return str(getattr(record, "request_id", "-"))


def _time(record: logging.LogRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in record.__dict__.items() if key not in _PLAIN}
