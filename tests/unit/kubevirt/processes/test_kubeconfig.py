"""With which kubeconfig a controller begins."""

import pathlib

import pytest

from siterecovery.kubevirt.processes import settings


@pytest.mark.parametrize(
    ("environment", "arguments", "found"),
    [
        ({}, [], None),
        ({"KUBECONFIG": "/pod/config"}, [], "/pod/config"),
        ({"KUBECONFIG": "/pod/config"}, ["--kubeconfig", "/mine"], "/mine"),
        ({"KUBECONFIG": "/pod/config", "SITERECOVERY_KUBECONFIG": "/ours"}, [], "/ours"),
        ({"KUBECONFIG": "/one:/two"}, [], None),
    ],
)
def test_the_usual_variable_is_read_last(monkeypatch, environment, arguments, found):
    """The flag wins over our own variable, that over KUBECONFIG, and without any the Pod's service account is used."""
    for name in ("KUBECONFIG", "SITERECOVERY_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    read = settings.read("controller", "", ["--cluster-name", "cluster1", *arguments])

    assert read.kubeconfig == (pathlib.Path(found) if found else None)
