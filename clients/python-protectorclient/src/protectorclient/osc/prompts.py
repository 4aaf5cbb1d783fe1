"""Asking a person for what the server could not resolve: a network or flavor without a counterpart."""

import sys
from collections.abc import Callable
from typing import Any, TextIO

from protectorclient import exceptions
from protectorclient.v1.base import Resource

QUESTIONS = {
    "mapping.network_unresolved": ("network_mapping", "network"),
    "mapping.flavor_unresolved": ("flavor_mapping", "flavor"),
}


class Prompts:
    """Questions on a terminal; without one nobody is asked and the refusal stands."""

    def __init__(self, stdin: TextIO) -> None:
        self._stdin = stdin

    def complete(self, send: Callable[[dict[str, Any]], Resource], arguments: dict[str, Any]) -> Resource:
        """Send, and send again with the answers, until nothing is unresolved any more."""
        while True:
            try:
                return send(arguments)
            except exceptions.PreconditionFailed as error:
                answers = self._ask(error)
                if not answers:
                    raise
                arguments = dict(arguments)
                for key, pairs in answers.items():
                    arguments[key] = {**(arguments.get(key) or {}), **pairs}

    def _ask(self, error: exceptions.PreconditionFailed) -> dict[str, dict[str, str]]:
        """The answers by mapping; empty where a question cannot help, or one was left without an answer."""
        unresolved = [(QUESTIONS[entry.code], entry.resource) for entry in error.entries if entry.code in QUESTIONS]
        if len(unresolved) < len(error.entries) or not all(resource for _, resource in unresolved):
            return {}
        if not (self._stdin.isatty() and sys.stderr.isatty()):
            return {}
        answers: dict[str, dict[str, str]] = {}
        for (key, noun), source in unresolved:
            answer = self._question(f"Target {noun} for source {noun} '{source}': ")
            if not answer:
                return {}
            answers.setdefault(key, {})[source] = answer
        return answers

    def _question(self, text: str) -> str:
        sys.stderr.write(text)
        sys.stderr.flush()
        return self._stdin.readline().strip()
