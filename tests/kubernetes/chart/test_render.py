"""The chart as Helm renders it: lint, the documented names, and rights that are exactly what the controllers' source needs."""

import json
import re

import pytest
import yaml

from kubernetes.chart import calls
from kubernetes.chart.helm import CASES, CHART, ROOT, granted, helm, of_kind, rendered, settings, values
from sandbox.processes import ProcessError
from siterecovery.kubevirt.processes import failover_controller
from siterecovery.kubevirt.processes import settings as controller_settings

OURS, CORE, KUBEVIRT = "siterecovery.trilio.io", "", "kubevirt.io"
COPIED = ("secrets", "configmaps", "persistentvolumes", "persistentvolumeclaims")
# What the source does with a kind that is a variable: the mirror's copies (controllers/protection_group/mirror.py) and what they are made of.
BY_VARIABLE_GROUPS = {
    *((CORE, kind, verb) for kind in COPIED for verb in ("get", "create", "update")),
    *(("apps", "controllerrevisions", verb) for verb in ("get", "create", "update")),
    # The cache's clients ask live before they start a VM (clusters/virtual_machines.py), the volumes are listed by storage/drbd_operator.
    *((KUBEVIRT, kind, "get") for kind in ("virtualmachines", "virtualmachineinstances")),
    (OURS, "drbdvolumes", "list"),
}
# Of clusters/virtual_machines.py the failover's steps use `look` only; the clean-up of a test deletes in a loop.
BY_VARIABLE_FAILOVER = {
    (CORE, "pods", "list"),
    (KUBEVIRT, "virtualmachines", "delete"),
    (CORE, "persistentvolumeclaims", "delete"),
    (CORE, "persistentvolumes", "delete"),
}
FAILOVER_CALLS = calls.made(calls.FAILOVER) | BY_VARIABLE_FAILOVER
GROUP_CALLS = calls.made(calls.GROUPS) | BY_VARIABLE_GROUPS


def grants(case: str, *accounts: str) -> set[tuple[str, str, str]]:
    return set().union(*(granted(rendered(case), account) for account in accounts))


@pytest.mark.parametrize("case", CASES)
def test_lint(case: str) -> None:
    """Every documented set of values passes `helm lint --strict`."""
    assert "0 chart(s) failed" in helm("lint", str(CHART), "--strict", "-f", values(case))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "cluster"),
        ({"cluster__name": "Cluster_1"}, "pattern"),
        ({"cluster__name": "x", "failoverController__replica": "2"}, "replica"),
        ({"cluster__name": "x", "peer__role": "master"}, "role"),
        (
            {"cluster__name": "x", "failoverController__quorumTaints": "{drbd.linbit.com/force-io-error}"},
            "quorumTaints",
        ),
        ({"cluster__name": "x", "linstor__controllers": "{linstor:3370}"}, "controllers"),
    ],
)
def test_bad_values_are_refused(wrong: dict[str, str], words: str) -> None:
    """A value that is misspelt or dangerous is refused by the schema, which names it."""
    with pytest.raises(ProcessError, match=words):
        helm("template", "sr", str(CHART), *settings(**wrong))


def test_what_runs_where() -> None:
    """The quorum cluster has the Failover controller, a workload cluster the group controller, one of two clusters both."""
    found = {case: set(of_kind(rendered(case), "Deployment")) for case in CASES}
    assert found == {
        "quorum": {"failover-controller"},
        "workload": {"protection-group-controller"},
        "two-clusters": {"failover-controller", "protection-group-controller"},
    }


@pytest.mark.parametrize("name", ["failover-controller", "protection-group-controller"])
def test_pods_have_the_documented_label_and_no_rights_of_their_machine(name: str) -> None:
    """`-l app=<name>` finds them; they run without root, without capabilities, with a file system they cannot write."""
    spec = of_kind(rendered("two-clusters"), "Deployment")[name]["spec"]["template"]
    (container,) = spec["spec"]["containers"]
    assert spec["metadata"]["labels"]["app"] == name
    assert spec["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {item["key"] for item in spec["spec"]["tolerations"]} >= {"drbd.linbit.com/lost-quorum"}


def test_the_controllers_understand_their_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable of the Deployments is an option of its controller, and their values are taken."""
    for name, read in (
        ("failover-controller", lambda: failover_controller.read([]).common),
        ("protection-group-controller", lambda: controller_settings.read("protection-group-controller", "", [])),
    ):
        with monkeypatch.context() as patch:
            (container,) = of_kind(rendered("two-clusters"), "Deployment")[name]["spec"]["template"]["spec"][
                "containers"
            ]
            given = {item["name"]: item.get("value", "given") for item in container["env"]}
            unknown = {key.removeprefix("SITERECOVERY_").lower() for key in given if key.startswith("SITERECOVERY_")}
            known = (ROOT / "src/siterecovery/kubevirt/processes/settings.py").read_text()
            known += (ROOT / "src/siterecovery/kubevirt/processes/failover_controller.py").read_text()
            assert {key for key in unknown if f'"--{key.replace("_", "-")}"' not in known} == set()
            for key, value in given.items():
                patch.setenv(key, value.replace("$(POD_IP)", "10.0.0.7"))
            found = read()
            assert (found.cluster_name, found.aliases, found.leader_election) == ("cluster2", ("dr-cluster",), True)
            assert found.listen.startswith("10.0.0.7:")


def test_programs_exist() -> None:
    """The command of each Deployment is an entry point of the distribution."""
    scripts = re.findall(r'^([\w-]+) = "siterecovery', (ROOT / "pyproject.toml").read_text(), re.M)
    for deployment in of_kind(rendered("two-clusters"), "Deployment").values():
        assert deployment["spec"]["template"]["spec"]["containers"][0]["command"][0] in scripts


def test_the_failover_controller_may_do_what_it_does() -> None:
    """Every call of its source is granted: at home to its account, on the workload clusters to the account it comes as."""
    needed = FAILOVER_CALLS
    assert len(needed) > 20
    assert needed - grants("quorum", "failover-controller") - grants("workload", "site-recovery-peer") == set()
    assert needed - grants("two-clusters", "failover-controller") == set()


@pytest.mark.parametrize(
    ("places", "case", "account"),
    [
        # By the cluster a file's calls go to: the rounds over all groups, debts and Events are everywhere, or where a group is.
        (calls.HOME, "quorum", "failover-controller"),
        (calls.WORKLOAD, "workload", "site-recovery-peer"),
        (calls.MIRRORED, "workload", "site-recovery-peer"),
    ],
)
def test_each_cluster_grants_what_is_asked_of_it(places: dict[str, list[str]], case: str, account: str) -> None:
    """Not only some cluster grants a call: the one it is sent to does."""
    needed = {call for file, kinds in places.items() for call in calls.made([file]) if call[1].split("/")[0] in kinds}
    assert len(needed) >= 4
    assert needed - grants(case, account) == set()


def test_the_group_controller_may_do_what_it_does() -> None:
    """Every call of its source is granted, here or on the cluster where it keeps copies."""
    needed = GROUP_CALLS
    assert len(needed) > 20
    assert needed - grants("workload", "protection-group-controller", "site-recovery-peer") == set()


@pytest.mark.parametrize(
    ("account", "used"),
    [
        ("failover-controller", FAILOVER_CALLS),
        ("protection-group-controller", GROUP_CALLS),
        ("site-recovery-peer", FAILOVER_CALLS | GROUP_CALLS),
    ],
)
def test_no_right_is_without_use(account: str, used: set[calls.Call]) -> None:
    """Nothing is granted to an account that no call of those who use it needs."""
    assert set().union(*(grants(case, account) for case in CASES)) - used == set()


@pytest.mark.parametrize("case", CASES)
def test_nobody_has_a_wildcard(case: str) -> None:
    """No role names `*`, and no controller may read Secrets by a watch or a list outside its own namespace."""
    for role in of_kind(rendered(case), "ClusterRole").values():
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            if "secrets" in rule["resources"]:
                assert set(rule["verbs"]) <= {"get", "create", "update"}


def test_copies_of_secrets_can_be_kept_to_some_namespaces() -> None:
    """With rbac.copiedNamespaces no binding to Secrets is cluster-wide."""
    objects = rendered("two-clusters")
    wide = [item["roleRef"]["name"] for item in of_kind(objects, "ClusterRoleBinding").values()]
    assert not [name for name in wide if name.startswith("site-recovery-copied")]
    spaces = {
        (item["metadata"]["namespace"], item["roleRef"]["name"]) for item in objects if item["kind"] == "RoleBinding"
    }
    assert ("tenants", "site-recovery-copied-read") in spaces


def test_a_drain_never_waits() -> None:
    """A disruption budget lets one Pod go whatever the number of replicas, also one that is not healthy."""
    budgets = of_kind(rendered("two-clusters"), "PodDisruptionBudget")
    assert {name: item["spec"]["maxUnavailable"] for name, item in budgets.items()} == {
        "failover-controller": 1,
        "protection-group-controller": 1,
    }
    assert all(item["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow" for item in budgets.values())


def test_people_have_roles() -> None:
    """An operator may create and patch groups and Failovers and handle Leases, a viewer only looks, and neither has force."""
    roles = of_kind(rendered("workload"), "ClusterRole")
    verbs = {
        name: {(r, v) for rule in role["rules"] for r in rule["resources"] for v in rule["verbs"]}
        for name, role in roles.items()
    }
    assert {("protectiongroups", "patch"), ("failovers", "create"), ("failovers", "patch")} <= verbs[
        "site-recovery-operator"
    ]
    assert {("leases", "get"), ("leases", "update"), ("leases", "delete")} <= verbs["site-recovery-operator"]
    assert {verb for _, verb in verbs["site-recovery-viewer"]} == {"get", "list", "watch"}
    assert verbs["site-recovery-force"] == {("failovers", "force")}
    assert not [
        name for name in ("site-recovery-operator", "site-recovery-viewer") if ("failovers", "force") in verbs[name]
    ]
    assert ("failovers", "delete") not in verbs["site-recovery-operator"]


def test_alerts_ask_for_metrics_that_exist() -> None:
    """Each metric of an alert is published by a controller, and each alert says where to look."""
    published = "".join(
        (ROOT / f"src/siterecovery/kubevirt/processes/{name}.py").read_text()
        for name in ("failover_controller", "protection_group_controller")
    )
    (rule,) = of_kind(rendered("two-clusters"), "PrometheusRule").values()
    alerts = rule["spec"]["groups"][0]["rules"]
    assert len(alerts) >= 6
    for alert in alerts:
        for metric in re.findall(r"siterecovery_\w+", alert["expr"]):
            assert f'"{metric}"' in published
        assert re.search(r"pgctl|kubectl", alert["annotations"]["description"])


def test_metrics_are_scraped_where_they_are_served() -> None:
    """Service, ServiceMonitor and NetworkPolicy name the port that the container has."""
    objects = rendered("two-clusters")
    ports = {
        name: item["spec"]["template"]["spec"]["containers"][0]["ports"]
        for name, item in of_kind(objects, "Deployment").items()
    }
    services = of_kind(objects, "Service")
    for name, (port,) in ports.items():
        assert services[f"{name}-metrics"]["spec"]["ports"][0]["targetPort"] == port["name"] == "metrics"
    (monitor,) = of_kind(objects, "ServiceMonitor").values()
    assert [item["port"] for item in monitor["spec"]["endpoints"]] == ["metrics"]
    (policy,) = of_kind(objects, "NetworkPolicy").values()
    assert policy["spec"]["ingress"][0]["ports"] == [{"port": "metrics", "protocol": "TCP"}]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_definitions_come_with_it_and_stay() -> None:
    """The chart writes the generated definitions, and leaves them when it is uninstalled."""
    found = of_kind(rendered("workload"), "CustomResourceDefinition")
    for path in (ROOT / "deploy" / "crds").glob("*.yaml"):
        wanted = yaml.safe_load(path.read_text())
        there = found[wanted["metadata"]["name"]]
        assert there["spec"] == wanted["spec"]
        assert there["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert not of_kind(rendered("workload", "--set", "crds.install=false"), "CustomResourceDefinition")


def test_the_force_policy_needs_a_server_that_knows_it() -> None:
    """Servers before 1.30 get a chart without the admission policy instead of an error."""
    assert of_kind(rendered("quorum"), "ValidatingAdmissionPolicy")
    assert not of_kind(rendered("quorum", version="1.28.0"), "ValidatingAdmissionPolicy")


def test_every_value_is_described() -> None:
    """The schema knows every value of values.yaml, and no other."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    whole = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) - {"global"} == set(whole)
    for key, value in whole.items():
        if isinstance(value, dict) and value and "properties" in schema["properties"][key]:
            assert set(schema["properties"][key]["properties"]) == set(value)
