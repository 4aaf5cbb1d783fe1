"""What is deployed and what is written about it agree with the code, and need no cluster to be checked."""

import pathlib
import re
import subprocess

import pytest

from siterecovery.kubevirt.crds import generate
from siterecovery.kubevirt.crds import reference as crds
from siterecovery.kubevirt.pgctl import reference as pgctl

ROOT = pathlib.Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "site-recovery"
SCRIPTS = sorted((ROOT / "deploy" / "scripts").glob("*.sh"))
CONTAINERS = sorted((ROOT / "deploy" / "images").rglob("Containerfile"))


def test_the_chart_has_the_generated_definitions():
    """The chart's definitions are those that `python -m siterecovery.kubevirt.crds` writes today."""
    assert {path.name: path.read_text() for path in (CHART / "files" / "crds").iterdir()} == generate.rendered()


def test_the_reference_of_the_kinds_is_current():
    """docs/reference/crds.md is what its generator writes today."""
    assert (ROOT / "docs" / "reference" / "crds.md").read_text() == crds.rendered()


def test_the_reference_of_the_kinds_names_every_field():
    """Every property of every definition has a row."""
    text = crds.rendered()
    for field in ("spec.desiredState", "spec.confirmSourceDown", "status.steps[].state", "status.currentState"):
        assert f"| `{field}` |" in text


def test_the_reference_of_pgctl_is_current():
    """The commands in docs/reference/pgctl.md are those that pgctl has today."""
    text = (ROOT / "docs" / "reference" / "pgctl.md").read_text()
    assert text == pgctl.written(text)
    assert pgctl.BEGIN in text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_scripts(script):
    """Each can be executed, is understood by bash, and stops at the first error."""
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert "set -euo pipefail" in script.read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_only_spell_the_target(script, tmp_path):
    """All but `--to-<cluster>` is handed to pgctl as it was given, and its exit code is handed back."""
    stand_in = tmp_path / "pgctl"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 5\n')
    stand_in.chmod(0o755)
    given = [str(script), "pg a", "--to-cluster2", "--force", "--type", "unplanned"]
    style = "crd" if script.name.endswith("-crd.sh") else "direct"

    done = subprocess.run(given, env={"PGCTL": str(stand_in), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True)

    expected = ["failover", "pg a", "--force", "--type", "unplanned", "--to", "cluster2", "--transcript", style]
    assert done.stdout.splitlines() == expected
    assert done.returncode == 5


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_without_pgctl(script):
    """Without pgctl a script says what is missing, and ends with 127."""
    environment = {"PGCTL": "no-such-pgctl", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([str(script), "pg-a", "--to-x"], env=environment, capture_output=True, text=True)
    assert done.returncode == 127
    assert "no-such-pgctl is not installed" in done.stderr


@pytest.mark.parametrize("file", CONTAINERS, ids=lambda path: path.parent.name)
def test_containers_can_be_built(file):
    """What is copied is there, nobody runs as root, and no base image floats on `latest` or names a registry."""
    text = file.read_text()
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.M) for word in line.split()[:-1]]
    assert copied
    assert [word for word in copied if not (ROOT / word).exists()] == []
    assert re.findall(r"^USER (.+)$", text, re.M)[-1] == "65532:65532"
    bases = re.findall(r"^ARG \w+=(.+)$", text, re.M)
    assert bases
    assert not [
        base
        for base in bases
        if ":" not in base or base.endswith(":latest") or "." in base.partition("/")[0].partition(":")[0]
    ]
