"""The chart, rendered and installed by the real Helm."""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import yaml

from sandbox.kubernetes import binaries
from sandbox.kubernetes.access import run

ROOT = pathlib.Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "site-recovery"
CASES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
Object = dict[str, Any]


def helm(*arguments: str) -> str:
    """ProcessError with its words when it fails."""
    program = binaries.ensure(("helm",), print)["helm"]
    return run([str(program), *arguments])


def values(case: str) -> str:
    return str(CHART / "ci" / f"{case}-values.yaml")


@functools.cache
def rendered(case: str, *more: str, version: str = "1.36.2") -> list[Object]:
    text = helm(
        "template", "sr", str(CHART), "-n", "site-recovery", "-f", values(case), "--kube-version", version, *more
    )
    return [item for item in yaml.safe_load_all(text) if item]


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


def granted(objects: list[Object], account: str) -> set[tuple[str, str, str]]:
    """(group, resource, verb) that an account has in all namespaces or in some."""
    roles = of_kind(objects, "ClusterRole") | {f"Role/{k}": v for k, v in of_kind(objects, "Role").items()}
    found = set()
    for item in objects:
        if item["kind"] in ("ClusterRoleBinding", "RoleBinding") and account in [s["name"] for s in item["subjects"]]:
            reference = item["roleRef"]
            name = reference["name"] if reference["kind"] == "ClusterRole" else f"Role/{reference['name']}"
            found |= set(_pairs(roles[name]["rules"]))
    return found


def _pairs(rules: list[Object]) -> Iterator[tuple[str, str, str]]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield group, resource, verb


def settings(**given: str) -> list[str]:
    """`--set` for each, dots as double underscores."""
    return [part for key, value in given.items() for part in ("--set", f"{key.replace('__', '.')}={value}")]
