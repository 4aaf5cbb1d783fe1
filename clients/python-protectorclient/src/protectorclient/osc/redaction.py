"""Keeping tokens of arrays out of everything that is printed."""

import logging
import re

_TOKEN_FLAG = re.compile(r"(--(?:primary|secondary)-fa-t[a-z-]*[ =]+)(\"[^\"]*\"|'[^']*'|\S+)")


class Secret(str):
    """A string that shows itself masked: OSC logs the parsed arguments of each command with --debug."""

    def __repr__(self) -> str:
        return "'***'"


class CommandLineFilter(logging.Filter):
    """Masks the tokens in the command line that osc_lib logs when it starts."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        masked = _TOKEN_FLAG.sub(r"\1***", text)
        if masked != text:
            record.msg, record.args = masked, ()
        return True
