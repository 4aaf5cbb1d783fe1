"""Log lines: one a record, with the request id, in text or JSON."""

import json
import logging
import sys

from siterecovery.protector.processes.logs import JsonFormatter, TextFormatter


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("siterecovery.engine", logging.INFO, "", 0, message, (), None)
    made.__dict__.update({"request_id": "req-1", "global_request_id": "-"} | extra)
    return made


def test_a_text_line_carries_request_and_step() -> None:
    """What is given as extra is appended as key=value."""
    line = TextFormatter().format(record("done", step="promote_volumes"))
    assert line.endswith("INFO siterecovery.engine [req-1] done step=promote_volumes")


def test_nobody_forges_a_second_line() -> None:
    """A line break in what a caller wrote stays inside the record's own line."""
    assert "\n" not in TextFormatter().format(record("name\n2026-01-01T00:00:00Z 1 INFO forged"))


def test_json_lines_have_the_traceback() -> None:
    """One object a line, whatever happened."""
    try:
        raise ValueError("x")
    except ValueError:
        failed = record("failed", step="s")
        failed.exc_info = sys.exc_info()
    data = json.loads(JsonFormatter().format(failed))
    assert (data["request_id"], data["step"], data["message"]) == ("req-1", "s", "failed")
    assert "ValueError" in data["traceback"]
