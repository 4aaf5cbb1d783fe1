"""`pgctl config` and its file."""

import stat

import pytest
import yaml

from siterecovery.kubevirt.pgctl import configuration

KUBECONFIG = """
apiVersion: v1
current-context: admin
contexts: [{name: admin, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://192.0.2.1:6443", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: very-secret}}]
"""


def test_view_shows_where_each_context_leads(ground, tmp_path):
    """The server of each context is shown, an unusable one with its reason, and never a credential."""
    (tmp_path / "one").write_text(KUBECONFIG)
    ground.run("config", "set-context", "primary", "--kubeconfig", str(tmp_path / "one"))

    told = ground.run("config", "view").stdout

    assert f"Configuration:  {ground.path}" in told
    assert "https://192.0.2.1:6443" in told
    assert "/nowhere/2 cannot be read" in told
    assert "very-secret" not in told


def test_no_configuration_says_how_to_begin(ground):
    """Every command without a configuration is a precondition that names the command to begin with."""
    ground.path.unlink()
    for command in (("config", "view"), ("status",), ("operations", "list")):
        result = ground.run(*command)
        assert result.exit_code == 5
        assert "pgctl config set-context primary" in result.stderr


def test_set_context_keeps_what_is_not_given(ground, tmp_path):
    """A changed context keeps its other fields, and a relative file becomes an absolute one."""
    assert ground.run("config", "set-context", "dr", "--context", "admin").exit_code == 0
    dr = yaml.safe_load(ground.path.read_text())["contexts"]["dr"]
    assert dr == {"cluster": "cluster2", "kubeconfig": "/nowhere/2", "context": "admin", "aliases": ["dr-cluster"]}


def test_the_first_context(ground):
    """On an empty configuration a cluster needs its name."""
    ground.path.unlink()
    assert ground.run("config", "set-context", "primary", "--kubeconfig", "k").exit_code == 2
    assert ground.run("config", "set-context", "primary", "--cluster", "east", "--kubeconfig", "~/k").exit_code == 0
    assert yaml.safe_load(ground.path.read_text()) == {
        "contexts": {"primary": {"cluster": "east", "kubeconfig": "~/k"}}
    }


def test_a_cluster_is_forgotten(ground):
    """--remove takes a role out."""
    ground.run("config", "set-context", "quorum", "--remove")
    assert list(yaml.safe_load(ground.path.read_text())["contexts"]) == ["primary", "dr"]


def test_two_clusters_cannot_have_one_name(ground):
    """An alias that is another cluster's name is refused, and the file stays as it was."""
    before = ground.path.read_text()
    result = ground.run("config", "set-context", "dr", "--alias", "cluster1")
    assert result.exit_code == 5
    assert "cluster1 names two clusters" in result.stderr
    assert ground.path.read_text() == before


@pytest.mark.parametrize(
    "text", ["[", "contexts: {tertiary: {cluster: x}}", "nonsense: 1", "contexts: {dr: {cluster: A_B}}"]
)
def test_a_broken_file_is_named(ground, text):
    """A file that cannot be understood is a precondition that names it."""
    ground.path.write_text(text)
    result = ground.run("status")
    assert result.exit_code == 5
    assert str(ground.path) in result.stderr


def test_the_file_is_private(ground):
    """Only its owner may read what says where the clusters are."""
    assert stat.S_IMODE(ground.path.stat().st_mode) == 0o600


def test_where_the_file_is(tmp_path):
    """PGCTL_CONFIG wins, then XDG_CONFIG_HOME, then ~/.config."""
    assert configuration.location({"PGCTL_CONFIG": "/x/y"}).as_posix() == "/x/y"
    assert configuration.location({"XDG_CONFIG_HOME": "/x"}).as_posix() == "/x/pgctl/config.yaml"
    assert configuration.location({}).parts[-3:] == (".config", "pgctl", "config.yaml")


def test_kubeconfig_of_the_environment(tmp_path):
    """Of several files in KUBECONFIG the one that has the context is taken."""
    (tmp_path / "one").write_text("contexts: [{name: other}]")
    (tmp_path / "two").write_text("contexts: [{name: admin}]")
    context = configuration.Context(cluster="east", context="admin")
    found = configuration.kubeconfig_of(context, {"KUBECONFIG": f"{tmp_path}/none:{tmp_path}/one:{tmp_path}/two"})
    assert found == tmp_path / "two"
