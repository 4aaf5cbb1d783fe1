"""LINSTOR's return codes, and what they are in our words. This is where its errors are translated, once.

A change is answered with a list of them: 64 bits each, signed on the wire; the highest two tell error (11), warning (10), info (01) and success (00),
the lowest sixteen are the number.
"""

from collections.abc import Sequence
from typing import Any

import httpx
import orjson

from siterecovery.kubevirt.storage.base import Exists, InUse, NoSuchVolume, Refused, Silent, StorageError, Unreachable

_KIND = 0xC000000000000000
_ERROR = 0xC000000000000000
_WARNING = 0x8000000000000000
_NUMBER = 0xFFFF

_NOT_FOUND = range(300, 400)
_EXISTS = range(500, 600)
_NOT_CONNECTED, _IN_USE, _BUSY = 995, 997, 992


def number(entry: dict[str, Any]) -> int:
    return int(entry.get("ret_code", 0)) & _NUMBER


def is_error(entry: dict[str, Any]) -> bool:
    return int(entry.get("ret_code", 0)) & _KIND == _ERROR


def is_warning(entry: dict[str, Any]) -> bool:
    return int(entry.get("ret_code", 0)) & _KIND == _WARNING


def parsed(answer: httpx.Response, what: str) -> Any:
    """The JSON of a good answer. What is not JSON was not written by a LINSTOR controller, or not to its end."""
    try:
        return orjson.loads(answer.content)
    except ValueError as error:
        raise Unreachable(
            f"{what}: the answer (HTTP {answer.status_code}) is no JSON.", remedy="Is that a LINSTOR controller?"
        ) from error


def checked(answer: httpx.Response, what: str, volume: str = "") -> Any:
    """The JSON of an answer that holds no error; also an HTTP 2xx may carry one among its codes."""
    found = parsed(answer, what) if answer.content else []
    errors = (
        [entry for entry in found if isinstance(entry, dict) and "ret_code" in entry and is_error(entry)]
        if isinstance(found, list)
        else []
    )
    if errors:
        raise refusal(errors, what, volume)
    if answer.status_code >= 500:
        raise Unreachable(f"{what}: HTTP {answer.status_code} without a reason.")
    if answer.status_code >= 400:
        raise Refused(f"{what}: HTTP {answer.status_code} without a reason.", volume=volume)
    return found


def refusal(errors: Sequence[dict[str, Any]], what: str, volume: str) -> StorageError:
    """The error for a list of return codes: the first error decides its kind, all of them are told."""
    words = " ".join(_sentence(entry) for entry in errors)
    remedy = " ".join(str(entry["correction"]) for entry in errors if entry.get("correction"))
    code = number(errors[0])
    if code in (_NOT_CONNECTED, _BUSY):
        return Silent(f"{what}: {words}", remedy=remedy, volume=volume)
    kind = InUse if code == _IN_USE else NoSuchVolume if code in _NOT_FOUND else Exists if code in _EXISTS else Refused
    return kind(f"{what}: {words}", remedy=remedy, volume=volume)


def _sentence(entry: dict[str, Any]) -> str:
    parts = [str(entry.get("message", "")).strip(), str(entry.get("cause", "")).strip()]
    reports = [f"(error report {report})" for report in entry.get("error_report_ids") or []]
    return " ".join(part for part in [*parts, *reports] if part)
