"""Flags and their values, checked by us.

The documented exit code of a missing flag or a bad value is 1; argparse alone would say 2. So flags are optional and
free text for argparse, and each command checks what it needs before it sends anything.
"""

import argparse
from collections.abc import Sequence

from protectorclient.exceptions import BadInput, UsageError


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def required(parsed: argparse.Namespace, *names: str) -> None:
    missing = [flag(name) for name in names if not getattr(parsed, name)]
    if missing:
        raise BadInput(f"Missing required option{'s' if len(missing) > 1 else ''}: {', '.join(missing)}")


def choice(parsed: argparse.Namespace, name: str, allowed: Sequence[str]) -> None:
    value = getattr(parsed, name)
    if value is not None and value not in allowed:
        raise BadInput(f"{flag(name)} must be one of {', '.join(allowed)}, not '{value}'")


def number(parsed: argparse.Namespace, name: str, *, minimum: int) -> int | None:
    """A whole number of at least `minimum`, or None where it was not given."""
    text = getattr(parsed, name)
    if text is None:
        return None
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or value < minimum:
        raise BadInput(f"{flag(name)} must be a whole number of at least {minimum}, not '{text}'")
    return value


def mapping(parsed: argparse.Namespace, name: str) -> dict[str, str] | None:
    """SRC=DST pairs. None where the flag was not given, so that a group's stored mapping stays in force."""
    pairs: list[str] | None = getattr(parsed, name)
    if pairs is None:
        return None
    found: dict[str, str] = {}
    for pair in pairs:
        source, sign, target = (part.strip() for part in pair.partition("="))
        if not (sign and source and target):
            raise BadInput(f"{flag(name)} must look like SOURCE=TARGET, not '{pair}'")
        if found.setdefault(source, target) != target:
            raise BadInput(f"{flag(name)} maps '{source}' twice, to '{found[source]}' and to '{target}'")
    return found


def forced(parsed: argparse.Namespace) -> bool:
    """`--type unplanned` and `--force` are two words for one thing."""
    choice(parsed, "type", ("planned", "unplanned"))
    if parsed.type == "planned" and parsed.force:
        raise UsageError("--type planned and --force exclude one another")
    return bool(parsed.type == "unplanned" or parsed.force)


def add_mappings(parser: argparse.ArgumentParser) -> None:
    for noun in ("network", "flavor"):
        parser.add_argument(
            f"--{noun}-mapping",
            metavar="<source>=<target>",
            action="append",
            help=f"Which {noun} of the target site stands for one of the source site, by name or id (repeatable)",
        )


def add_ip_policy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ip-policy",
        metavar="<keep|release>",
        help="Keep the fixed IP addresses where they are free, or take new ones",
    )


def add_health_checks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--health-check",
        metavar="<key=value,…>",
        action="append",
        help="A probe of the test VMs: type=active, type=console,pattern=<text>, type=tcp,port=<port> or "
        "type=http,port=<port>,path=<path>, each with timeout=<seconds> (repeatable)",
    )


def health_checks(parsed: argparse.Namespace) -> list[dict[str, str | int]] | None:
    given: list[str] | None = parsed.health_check
    return None if given is None else [_health_check(text) for text in given]


def _health_check(text: str) -> dict[str, str | int]:
    check: dict[str, str | int] = {}
    for part in text.split(","):
        key, sign, value = part.partition("=")
        if key not in ("type", "pattern", "port", "path", "timeout") or not (sign and value) or key in check:
            raise BadInput(f"--health-check must look like type=tcp,port=22, not '{text}'")
        if key in ("port", "timeout") and not value.isdecimal():
            raise BadInput(f"--health-check: {key} must be a number, not '{value}'")
        check[key] = int(value) if key in ("port", "timeout") else value
    if check.get("type") not in ("active", "console", "tcp", "http"):
        raise BadInput(f"--health-check needs a type of active, console, tcp or http, not '{text}'")
    return check


def add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="Show the progress and exit with the outcome (failed = 1)")
    add_timeout(parser, "With --wait: give up waiting after this many seconds; the operation goes on")


def add_timeout(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--timeout", metavar="<seconds>", help=text)
