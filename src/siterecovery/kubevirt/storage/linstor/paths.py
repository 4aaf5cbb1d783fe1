"""Paths of LINSTOR's REST."""

from urllib.parse import quote


def definition_path(volume: str, *more: str) -> str:
    """/v1/resource-definitions/{volume}/…"""
    return "/".join(["/v1/resource-definitions", *(quote(part, safe="") for part in (volume, *more))])
