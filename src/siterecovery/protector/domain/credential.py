"""Credentials that end while they are used: a token or a session that is refused is renewed before the refusal is believed.

They end at any moment, also the one just fetched: Keystone's keys are rotated, an array drops its sessions, an administrator revokes them in the
middle of a move. None of that says that the right is gone. It is gone when no new one is given (whoever renews raises then), or when one after
the other is refused.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, TypeVar

RENEWALS = (0.0, 0.5, 2.0)
"""Seconds to wait before each renewal: the first is due at once, as the credential may simply have been old."""


class Answer(Protocol):
    @property
    def status_code(self) -> int: ...


A = TypeVar("A", bound=Answer)
C = TypeVar("C")


def with_credential(
    credential: C, send: Callable[[C], A], renew: Callable[[C], C], sleep: Callable[[float], None]
) -> tuple[A, C]:
    """The answer, and the credential that it was given to; the answer is 401 when the last renewal was refused too.

    For creations as well: a call that was not authenticated was not applied. `renew` is given the refused one.
    """
    answer = send(credential)
    for pause in RENEWALS:
        if answer.status_code != HTTPStatus.UNAUTHORIZED:
            break
        if pause:
            sleep(pause)
        credential = renew(credential)
        answer = send(credential)
    return answer, credential
