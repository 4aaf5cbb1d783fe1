"""How the controller answers: lists of return codes for what changes something, JSON for what is read."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.control import ControlError, json_body
from sandbox.kubernetes.drbd.controller import Refused, Told
from sandbox.kubernetes.drbd.linstor import codes
from sandbox.kubernetes.drbd.mending import MayNotDiscard

Read = Callable[[web.Request], Any]
Change = Callable[[web.Request, dict[str, Any]], Awaitable[tuple[int, str, Told]]]


@dataclass
class Reports:
    """The error reports the controller keeps of calls it could not carry out."""

    kept: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    def file(self, message: str, now: float) -> str:
        """Keep one; its id."""
        name = f"6AB0C0DE-00000-{next(self._serial):06d}"
        self.kept.append(
            {
                "node_name": "linstor-controller",
                "error_time": int(now * 1000),
                "filename": f"ErrorReport-{name}.log",
                "module": "Controller",
                "version": "1.34.0",
                "exception": "ApiRcException",
                "exception_message": message,
            }
        )
        return name


def entry(code: int, message: str, **more: Any) -> dict[str, Any]:
    """One return code as JSON; empty parts are left out, as the controller does."""
    return {"ret_code": codes.signed(code), "message": message, **{key: value for key, value in more.items() if value}}


def refusals(reports: Reports, now: Callable[[], float]) -> Any:
    """Turn every refusal into the list of return codes that a client expects, with its HTTP status."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as error:
            report = [reports.file(str(error), now())] if error.status >= 500 else []
            told = entry(
                error.code, str(error), cause=error.cause, correction=error.correction, error_report_ids=report
            )
            return web.json_response([told], status=error.status)
        except (ControlError, MayNotDiscard) as error:
            return web.json_response([entry(codes.FAIL_UNKNOWN_ERROR, str(error))], status=400)
        except web.HTTPNotFound:
            return web.Response(status=404, text="<html><body>not found</body></html>", content_type="text/html")

    return handle


def read(find: Read) -> Handler:
    """A handler for a question."""

    async def handle(request: web.Request) -> web.Response:
        return web.json_response(find(request))

    return handle


def change(act: Change, status: int = 200) -> Handler:
    """A handler for a change; `act` answers (code, message, what else there is to tell)."""

    async def handle(request: web.Request) -> web.Response:
        code, message, told = await act(request, await _body(request))
        entries = [entry(code, message), *(entry(number, words) for number, words in told.entries)]
        return web.json_response(entries, status=status)

    return handle


async def _body(request: web.Request) -> dict[str, Any]:
    """A JSON object; a list, as the creation of several resources has it, stands under `list`."""
    if request.can_read_body and (await request.text()).lstrip().startswith("["):
        return {"list": await request.json()}
    return await json_body(request)
