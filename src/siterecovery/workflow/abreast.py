"""Questions that do not depend on one another, asked side by side: one slow call's time instead of the sum of all."""

import concurrent.futures
import contextvars
from collections.abc import Callable
from typing import Any

MOST = 8
"""Questions of one asker at once: a handful of threads, and no burst that a cloud would notice."""


def abreast(*questions: Callable[[], Any]) -> list[Any]:
    """The answers in the questions' order, once all have come; else the error of the first question that failed.

    Each is asked in the asker's own context, so that `ownership` is asked there as well.
    """
    if len(questions) < 2:
        return [question() for question in questions]
    with concurrent.futures.ThreadPoolExecutor(min(MOST, len(questions)), "abreast") as pool:
        asked = [pool.submit(contextvars.copy_context().run, question) for question in questions]
    return [answer.result() for answer in asked]
