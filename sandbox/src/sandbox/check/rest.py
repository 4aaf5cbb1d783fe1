"""JSON over HTTP, as little as the checker needs: one GET or POST, and the sentence of what went wrong."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_SECONDS = 30.0


class Unanswered(Exception):
    """Nobody answered, or not with what was asked for; the message says who and how."""


def call(
    url: str, *, headers: Mapping[str, str] | None = None, body: Any = None, trust: ssl.SSLContext | None = None
) -> tuple[Any, Mapping[str, str]]:
    """The JSON and the headers of a 2xx answer; a body makes it a POST. Raises Unanswered. Header values are never in its message."""
    data = json.dumps(body).encode() if body is not None else None
    sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data, sent)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS, context=trust) as answer:
            return json.loads(answer.read() or b"{}"), answer.headers
    except urllib.error.HTTPError as error:
        raise Unanswered(f"{url.partition('?')[0]}: HTTP {error.code}") from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Unanswered(f"{url.partition('?')[0]}: {error}") from error
