"""Names that Purity accepts (its naming conventions), and how compound names are put together and taken apart."""

import re

from siterecovery.protector.domain.errors import BadRequest

_GROUP = re.compile(r"(?=.{1,63}\Z)(?=.*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_VOLUME = re.compile(r"(?=.{1,63}\Z)(?=.*[A-Za-z_-])[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
_RULE = "1 to 63 letters, digits and '-', beginning and ending with a letter or digit, with at least one letter or '-'."


def check_group(name: str) -> str:
    """A protection group's name; BadRequest otherwise."""
    return _checked(_GROUP, name, "protection group name", _RULE)


def check_suffix(suffix: str) -> str:
    """A snapshot's suffix. Purely numeric ones belong to the array's own schedule and are never ours."""
    return _checked(_GROUP, suffix, "snapshot suffix", _RULE)


def check_volume(name: str) -> str:
    """A volume's name; underscores are allowed."""
    return _checked(_VOLUME, name, "volume name", _RULE.replace("and '-',", "'-' and '_',"))


def _checked(rule: re.Pattern[str], name: str, what: str, remedy: str) -> str:
    if not rule.fullmatch(name):
        raise BadRequest(f"'{name}' is no {what} that an array accepts.", remedy=f"Use {remedy}")
    return name


def same(one: str, other: str) -> bool:
    """Arrays compare names without regard to case and keep the case they were given."""
    return one.lower() == other.lower()


def origins(source: str) -> set[str]:
    """What an array may name as the source of a copy of `source`: the snapshot itself, or the volume it was taken of."""
    remote = ":" in source and "::" not in source
    array, local = source.split(":", 1) if remote else ("", source)
    volume = local.rpartition(".")[2] if local.count(".") >= 2 else local.partition(".")[0]
    return {name.lower() for name in (source, volume, f"{array}:{volume}" if remote else volume)}
