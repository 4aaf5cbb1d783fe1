"""How a cluster is reached."""

import asyncio
import base64
import datetime
import ssl
import sys

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from siterecovery.kubevirt.clusters.access import CommandToken, from_file, from_service_account, from_text
from siterecovery.kubevirt.clusters.base import BadAccess


def config(cluster=None, user=None, **more):
    return yaml.safe_dump(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "ns"}}],
            "clusters": [{"name": "k", "cluster": {"server": "https://example.invalid:6443/"} | (cluster or {})}],
            "users": [{"name": "u", "user": user or {"token": "s3cret"}}],
        }
        | more
    )


def token(access):
    return asyncio.run(access.token.value())


def test_a_kubeconfig_is_read_whole():
    """Server, namespace, token and TLS come from the current context."""
    found = from_text(config(), "Secret x")
    assert (found.server, found.namespace, token(found)) == ("https://example.invalid:6443", "ns", "s3cret")
    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_REQUIRED


def test_nothing_secret_is_printed():
    """The token is in no representation of the access."""
    assert "s3cret" not in repr(from_text(config(), "Secret x"))


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ({}, {"exec": {"command": "/bin/sh", "args": ["-c", "touch /tmp/x"]}}),
        ({}, {"tokenFile": "/etc/passwd"}),
        ({"certificate-authority": "/etc/passwd"}, {"token": "x"}),
        ({}, {"client-certificate": "/c", "client-key": "/k"}),
        ({}, {"auth-provider": {"name": "gcp"}}),
    ],
)
def test_a_secrets_kubeconfig_reads_and_runs_nothing(cluster, user):
    """A kubeconfig from a Secret that names files or commands is refused, with what to do instead."""
    with pytest.raises(BadAccess, match=r"Secret x uses .*flatten"):
        from_text(config(cluster, user), "Secret x")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[", "not YAML"),
        ("just words", "not a kubeconfig"),
        (config(**{"current-context": ""}), "no current-context"),
        (config(**{"current-context": "other"}), "no context 'other'"),
        (config(clusters=[]), "no cluster 'k'"),
        (config(users=[]), "no user 'u'"),
        (config({"server": ""}), "has no server"),
        (config({"certificate-authority-data": "!!"}), "certificate"),
        (config(user={"username": "me", "password": "hidden"}), "not supported"),
    ],
)
def test_a_bad_kubeconfig_is_explained_without_its_content(text, word):
    """What is wrong is said in a sentence that holds nothing of the kubeconfig but names."""
    with pytest.raises(BadAccess, match=word) as caught:
        from_text(text, "Secret x")
    assert "hidden" not in str(caught.value)


def test_a_file_may_name_files(tmp_path):
    """A person's own kubeconfig may use a token file beside it, read anew for every request."""
    (tmp_path / "config").write_text(config(user={"tokenFile": "token"}))
    (tmp_path / "token").write_text("one\n")
    access = from_file(tmp_path / "config")
    assert token(access) == "one"
    (tmp_path / "token").write_text("two\n")
    assert token(access) == "two"
    (tmp_path / "token").unlink()
    with pytest.raises(BadAccess, match="cannot be read"):
        token(access)
    with pytest.raises(BadAccess, match="cannot be read"):
        from_file(tmp_path / "nothing")


def test_a_person_may_use_a_credential_plugin(tmp_path):
    """The plugin's token is kept until it expires or is refused; one that gives none is named."""
    counter = tmp_path / "count"
    script = (
        "import json, pathlib, sys; p = pathlib.Path(sys.argv[1]); n = int(p.read_text()) + 1 if p.exists() else 1; p.write_text(str(n));"
        "print(json.dumps({'status': {'token': f't{n}', 'expirationTimestamp': '2099-01-01T00:00:00Z'}}))"
    )
    plugin = CommandToken((sys.executable, "-c", script, str(counter)), {}, "client.authentication.k8s.io/v1")

    async def scene():
        first = [await plugin.value(), await plugin.value()]
        plugin.forget()
        return [*first, await plugin.value()]

    assert asyncio.run(scene()) == ["t1", "t1", "t2"]
    mute = CommandToken((sys.executable, "-c", ""), {}, "v1")
    with pytest.raises(BadAccess, match="gave no token"):
        asyncio.run(mute.value())
    absent = CommandToken((str(tmp_path / "absent"),), {}, "v1")
    with pytest.raises(BadAccess, match="cannot be run"):
        asyncio.run(absent.value())
    slow = CommandToken((sys.executable, "-c", "import time; time.sleep(60)"), {}, "v1", time_limit=0.2)
    with pytest.raises(BadAccess, match="longer than"):
        asyncio.run(slow.value())


def test_a_pod_uses_its_service_account(tmp_path, monkeypatch):
    """In a cluster the service account's files say how its own API server is reached; elsewhere that is refused."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(BadAccess, match="does not run in a cluster"):
        from_service_account(tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("mounted")
    (tmp_path / "namespace").write_text("site-recovery")
    (tmp_path / "ca.crt").write_bytes(authority())
    access = from_service_account(tmp_path)
    assert (access.server, access.namespace, token(access)) == ("https://[fd00::1]:443", "site-recovery", "mounted")
    data = base64.b64encode(authority()).decode()
    assert from_text(config({"certificate-authority-data": data}), "Secret x").tls is not None


def authority():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    made = builder.sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)
