"""What a controller is told."""

import pytest

from siterecovery.kubevirt.processes import settings


def read(*arguments):
    return settings.read("protection-group-controller", "what it does", list(arguments))


def test_flags_and_variables_mean_the_same(monkeypatch):
    """A flag wins over its environment variable, and what neither says has a default that listens on loopback only."""
    monkeypatch.setenv("SITERECOVERY_CLUSTER_NAME", "cluster1")
    monkeypatch.setenv("SITERECOVERY_LINSTOR", "http://a:3370, http://b:3370")
    found = read("--cluster-aliases", "primary,site-a", "--resync", "5")
    assert (found.cluster_name, found.aliases, found.resync) == ("cluster1", ("primary", "site-a"), 5.0)
    assert (found.linstor, found.listen) == (("http://a:3370", "http://b:3370"), "127.0.0.1:8081")
    assert found.identity.startswith("protection-group-controller-")
    assert read("--cluster-name", "other").cluster_name == "other"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "--cluster-name"),
        (["--cluster-name", "c", "--resync", "0"], "more than 0"),
        (["--cluster-name", "c", "--resync", "soon"], "soon"),
        (["--cluster-name", "c", "--leader-election", "maybe"], "neither true nor false"),
        (["--cluster-name", "c", "--workers", "many"], "many"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_code_2(monkeypatch, capsys, arguments, word):
    """A missing name, or a value that is none, ends the process at once and says which."""
    monkeypatch.delenv("SITERECOVERY_CLUSTER_NAME", raising=False)
    with pytest.raises(SystemExit) as caught:
        read(*arguments)
    assert caught.value.code == 2
    assert word in capsys.readouterr().err
