"""Which calls the controllers' source makes: (group, resource, verb), read from the syntax tree."""

import ast
import pathlib

from kubernetes.chart.helm import ROOT
from siterecovery.kubevirt.domain import resources
from siterecovery.kubevirt.domain.resources import Resource

SOURCE = ROOT / "src" / "siterecovery" / "kubevirt"
VERBS = {
    "get": ["get"],
    "find": ["get"],
    "list": ["list"],
    "watch": ["watch"],
    "create": ["create"],
    "update": ["update"],
    "patch": ["patch"],
    "apply": ["patch"],
    "delete": ["delete"],
    "Informer": ["list", "watch"],
}
HELPERS = {
    "mirror.py": {"_ensure": ["get", "create", "update"]},
    "drills.py": {"_ensure": ["create"], "_delete": ["delete"], "made": ["list"]},
    "claims.py": {"_ensure": ["get", "create"], "made": ["list"]},
}
"""Functions of single files that are handed a kind."""
KINDS = {name: value for name, value in vars(resources).items() if isinstance(value, Resource)}
SHARED = ["clusters/authority.py", "clusters/events.py", "clusters/leases.py", "clusters/registry.py"]
FAILOVER = [
    *SHARED,
    "clusters/nodes.py",
    "controllers/failover",
    "controllers/protection_request",
    "steps",
    "journal",
    "storage/drbd_operator",
]
GROUPS = [*SHARED, "clusters/virtual_machines.py", "controllers/protection_group"]
Call = tuple[str, str, str]
_GROUPS = ["protectiongroups"]
HOME = {
    "clusters/events.py": ["events"],
    "clusters/leases.py": ["leases"],
    "controllers/failover/controller.py": ["failovers"],
    "controllers/failover/rounds.py": _GROUPS,
    "controllers/protection_request": ["protectionrequests", "drbdreplicationpolicies"],
    "journal": ["failovers"],
}
"""Which of a file's calls go to the cluster of the failover controller itself: kinds by file."""
WORKLOAD = {
    "clusters/events.py": ["events"],
    "clusters/leases.py": ["leases"],
    "clusters/nodes.py": ["nodes"],
    "controllers/failover/debts.py": _GROUPS,
    "controllers/failover/rounds.py": _GROUPS,
    "controllers/protection_request/phases.py": ["virtualmachines"],
    "steps": [
        *("protectiongroups", "virtualmachines", "virtualmachineinstances", "nodes"),
        *("persistentvolumes", "persistentvolumeclaims", "storageclasses"),
    ],
    "storage/drbd_operator": ["drbdvolumes"],
}
"""And to those in which VMs run, where it comes as the peer account."""
MIRRORED = {
    "controllers/protection_group/mirror.py": [
        *("protectiongroups", "persistentvolumes", "persistentvolumeclaims", "serviceaccounts", "secrets"),
    ],
    "clusters/authority.py": _GROUPS,
}
"""And of the group controller to the cluster on which it keeps copies."""


def made(places: list[str]) -> set[Call]:
    """By the files and folders of one process. Calls whose kind is a variable are not seen: the tests name those."""
    files = [file for place in places for file in _files(SOURCE / place)]
    return {
        call
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        for call in _calls(node, VERBS | HELPERS.get(file.name, {}))
    }


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _calls(node: ast.AST, verbs: dict[str, list[str]]) -> list[Call]:
    if not isinstance(node, ast.Call):
        return []
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    kinds = [KINDS[item.id] for item in node.args[:2] if isinstance(item, ast.Name) and item.id in KINDS]
    if not kinds or (name not in verbs and name != "call"):
        return []
    if name == "call":  # an action, which is a PUT on a subresource
        action = node.args[3]
        assert isinstance(action, ast.Constant)
        return [(kinds[0].group, f"{kinds[0].plural}/{action.value}", "update")]
    part = next((keyword.value for keyword in node.keywords if keyword.arg == "subresource"), None)
    suffix = f"/{part.value}" if isinstance(part, ast.Constant) and part.value else ""
    return [(kinds[0].group, kinds[0].plural + suffix, verb) for verb in verbs[name]]
