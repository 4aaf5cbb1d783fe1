"""A Pod's spec becomes the command line that its container would have had."""

import asyncio
import base64
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.kubernetes.agent.pods.launch import Launch, LaunchError, Preparation, address_of
from sandbox.kubernetes.client import Missing

PYTHON = Path(sys.executable).name
OBJECTS: dict[str, Any] = {
    "secrets/key": {"data": {"value": base64.b64encode(b"turned").decode()}},
    "configmaps/text": {"data": {"text": "hello"}},
}


class Server:
    """An API server that holds two objects and hands out tokens to the account `controller`."""

    async def call(self, verb: str, path: str, body: Any = None, kind: str = "") -> Any:
        name = path.removeprefix("/api/v1/namespaces/shop/")
        if name == "serviceaccounts/controller/token":
            return {"status": {"token": "the-token"}}
        if name not in OBJECTS:
            raise Missing(404, "NotFound", f"{name} not found")
        return OBJECTS[name]


def pod(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "controller-1", "namespace": "shop", "uid": "b7c1", "labels": {"app": "controller"}},
        "spec": {
            "nodeName": "node1",
            "serviceAccountName": "controller",
            "containers": [{"name": "main", "image": "example/main:1", **container}],
            **spec,
        },
    }


def launched(wanted: dict[str, Any], root: Path) -> Launch:
    server: Any = Server()
    preparation = Preparation(server, "https://127.0.0.1:6443", "/pki/ca.crt", wanted, root)
    (launch,) = asyncio.run(preparation.launches())
    return launch


def test_environment_comes_from_everywhere(tmp_path: Path) -> None:
    """Plain values, fields of the Pod, Secrets and ConfigMaps; $(NAME) is expanded in what follows, and unknown names stay."""
    fields = {"NAMESPACE": "metadata.namespace", "NODE": "spec.nodeName", "POD_IP": "status.podIP"}
    environment = [
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "value"}}},
        {"name": "TEXT", "valueFrom": {"configMapKeyRef": {"name": "text", "key": "text"}}},
        {"name": "LISTEN", "value": "$(POD_IP):8080"},
    ]
    wanted = pod({"command": [PYTHON], "args": ["--listen=$(LISTEN)", "$(NOBODY)"], "env": environment})

    launch = launched(wanted, tmp_path)

    address = address_of(wanted)
    assert launch.command[1:] == (f"--listen={address}:8080", "$(NOBODY)")
    expected = {"NAMESPACE": "shop", "NODE": "node1", "POD_IP": address, "KEY": "turned", "TEXT": "hello"}
    assert {name: launch.environment[name] for name in expected} == expected
    assert (launch.environment["KUBERNETES_SERVICE_HOST"], launch.environment["KUBERNETES_SERVICE_PORT"]) == (
        "127.0.0.1",
        "6443",
    )


def test_mounted_paths_are_where_the_files_are(tmp_path: Path) -> None:
    """A mountPath in an argument is replaced by the folder with the files; a path that only begins alike is not."""
    container = {
        "command": [PYTHON, "/etc/app/text", "--file=/etc/app/text", "/etc/application", "/etc/app"],
        "volumeMounts": [{"name": "files", "mountPath": "/etc/app"}],
    }

    launch = launched(pod(container, volumes=[{"name": "files", "configMap": {"name": "text"}}]), tmp_path)

    file, option, other, folder = launch.command[1:]
    assert Path(file).read_text() == "hello"
    assert option == f"--file={file}"
    assert other == "/etc/application"
    assert Path(file).parent == Path(folder)


def test_account_is_in_the_kubeconfig(tmp_path: Path) -> None:
    """What stands in for the mounted token is a kubeconfig for its owner only."""
    launch = launched(pod({"command": [PYTHON]}), tmp_path)

    file = Path(launch.environment["KUBECONFIG"])
    content = yaml.safe_load(file.read_text())
    assert content["users"][0]["user"] == {"token": "the-token"}
    assert content["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert content["contexts"][0]["context"]["namespace"] == "shop"
    assert file.stat().st_mode & 0o077 == 0


def test_programs_name_is_the_images_where_there_is_no_command(tmp_path: Path) -> None:
    """An image without a command runs the program of its own name."""
    launch = launched(pod({"image": f"registry/example/{PYTHON}:1.2@sha256:0"}), tmp_path)
    assert Path(launch.command[0]).name == PYTHON


@pytest.mark.parametrize(
    ("container", "spec", "reason"),
    [
        ({"image": "example/nowhere:1"}, {}, "ErrImagePull"),
        (
            {"command": [PYTHON]},
            {"volumes": [{"name": "v", "secret": {"secretName": "lost"}}]},
            "CreateContainerConfigError",
        ),
        ({"command": [PYTHON]}, {"serviceAccountName": "nobody"}, "CreateContainerConfigError"),
    ],
)
def test_what_is_missing_is_told_in_a_kubelets_word(
    container: dict[str, Any], spec: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """A Pod that cannot be started says why."""
    with pytest.raises(LaunchError) as refused:
        launched(pod(container, **spec), tmp_path)
    assert refused.value.reason == reason


def test_optional_secret_may_be_missing(tmp_path: Path) -> None:
    """A volume of an optional Secret is an empty folder."""
    volume = {"name": "v", "secret": {"secretName": "lost", "optional": True}}
    mounts = [{"name": "v", "mountPath": "/v"}]
    launch = launched(pod({"command": [PYTHON, "/v"], "volumeMounts": mounts}, volumes=[volume]), tmp_path)
    assert list(Path(launch.command[1]).iterdir()) == []
