"""How a cluster is reached: a kubeconfig file, a kubeconfig in a Secret, or the Pod's own service account.

A kubeconfig from a Secret may name neither files nor commands: whoever writes the Secret must not read or run anything of the controller's."""

import asyncio
import base64
import dataclasses
import datetime
import os
import pathlib
import ssl
import tempfile
from collections.abc import Mapping
from typing import Any, Protocol

import orjson
import yaml

from siterecovery.kubevirt.clusters.base import BadAccess

SERVICE_ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
_FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


class Token(Protocol):
    async def value(self) -> str:
        """The bearer token; empty when there is none."""
        ...

    def forget(self) -> None:
        """The server has refused it: ask for a new one next time."""
        ...


@dataclasses.dataclass
class StaticToken:
    token: str = dataclasses.field(default="", repr=False)

    async def value(self) -> str:
        return self.token

    def forget(self) -> None:
        """There is no other."""


@dataclasses.dataclass
class FileToken:
    """The kubelet renews the file about every 50 minutes: it is read for every request, which costs microseconds."""

    path: pathlib.Path

    async def value(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadAccess(f"the token file {self.path} cannot be read: {error.strerror}") from error

    def forget(self) -> None:
        """The next read shows the new one."""


@dataclasses.dataclass
class CommandToken:
    """An exec credential plugin (client.authentication.k8s.io), as managed clusters hand out in their kubeconfigs."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    api_version: str
    time_limit: float = 30.0
    _token: str = dataclasses.field(default="", repr=False)
    _until: datetime.datetime | None = None

    async def value(self) -> str:
        if not self._token or (self._until and self._until <= datetime.datetime.now(datetime.UTC)):
            await self._ask()
        return self._token

    def forget(self) -> None:
        self._token = ""

    async def _ask(self) -> None:
        info = {"apiVersion": self.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
        environment = {**os.environ, **self.environment, "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            raise BadAccess(f"the credential plugin {self.command[0]} cannot be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(self.time_limit):
                output, _ = await process.communicate()
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise BadAccess(
                f"the credential plugin {self.command[0]} took longer than {self.time_limit:g} s"
            ) from error
        self._take(output, process.returncode)

    def _take(self, output: bytes, code: int | None) -> None:
        try:
            status = orjson.loads(output)["status"]
            self._token = str(status["token"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise BadAccess(f"the credential plugin {self.command[0]} gave no token (exit code {code})") from error
        expires = status.get("expirationTimestamp")
        self._until = datetime.datetime.fromisoformat(expires) if expires else None


@dataclasses.dataclass(frozen=True)
class Access:
    """Where a cluster is, and with what it is asked. Never printed with its secrets."""

    server: str
    tls: ssl.SSLContext | None = dataclasses.field(repr=False, default=None)
    token: Token = dataclasses.field(repr=False, default_factory=StaticToken)
    namespace: str = "default"
    server_name: str | None = None
    proxy: str | None = None


def from_service_account(folder: pathlib.Path = SERVICE_ACCOUNT) -> Access:
    """The cluster this Pod runs in."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").exists():
        raise BadAccess("this process does not run in a cluster: give it a kubeconfig")
    host = f"[{host}]" if ":" in host else host
    space = folder / "namespace"
    return Access(
        server=f"https://{host}:{port}",
        tls=ssl.create_default_context(cafile=str(folder / "ca.crt")),
        token=FileToken(folder / "token"),
        namespace=space.read_text(encoding="utf-8").strip() if space.exists() else "default",
    )


def from_file(path: pathlib.Path, context: str | None = None) -> Access:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadAccess(f"the kubeconfig {path} cannot be read: {error.strerror}") from error
    return from_text(text, str(path), context, folder=path.parent)


def from_text(text: str, where: str, context: str | None = None, *, folder: pathlib.Path | None = None) -> Access:
    """`where` names the kubeconfig in messages. Without a `folder` it is a Secret's: no files, no commands."""
    try:
        whole = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadAccess(f"{where} is not YAML") from error
    if not isinstance(whole, dict):
        raise BadAccess(f"{where} is not a kubeconfig")
    chosen = context or whole.get("current-context")
    if not chosen:
        raise BadAccess(f"{where} has no current-context: name one")
    used = _named(whole, "contexts", chosen, "context", where)
    cluster = _named(whole, "clusters", used.get("cluster"), "cluster", where)
    user = _named(whole, "users", used.get("user"), "user", where) if used.get("user") else {}
    if folder is None:
        _refuse_files(cluster, user, where)
    if not cluster.get("server"):
        raise BadAccess(f"{where}: cluster {used.get('cluster')} has no server")
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        tls=_tls(cluster, user, where, folder),
        token=_token(user, where, folder),
        namespace=used.get("namespace") or "default",
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
    )


def _named(whole: Mapping[str, Any], part: str, name: Any, key: str, where: str) -> dict[str, Any]:
    for item in whole.get(part) or []:
        if isinstance(item, dict) and item.get("name") == name:
            return dict(item.get(key) or {})
    raise BadAccess(f"{where} has no {key} {name!r}")


def _refuse_files(cluster: Mapping[str, Any], user: Mapping[str, Any], where: str) -> None:
    named = [key for key in (*_FILE_KEYS, "exec", "auth-provider") if key in cluster or key in user]
    if named:
        raise BadAccess(
            f"{where} uses {', '.join(named)}: a kubeconfig in a Secret must hold all its data"
            " (kubectl config view --raw --flatten) and a token or client certificate"
        )


def _data(given: Mapping[str, Any], key: str, where: str, folder: pathlib.Path | None) -> bytes | None:
    """`<key>-data` decoded, or the file `<key>` beside the kubeconfig."""
    try:
        if given.get(f"{key}-data"):
            return base64.b64decode("".join(str(given[f"{key}-data"]).split()), validate=True)
        if given.get(key) and folder is not None:
            return (folder / str(given[key])).read_bytes()
    except (ValueError, OSError) as error:
        raise BadAccess(f"{where}: {key} cannot be read") from error
    return None


def _tls(
    cluster: Mapping[str, Any], user: Mapping[str, Any], where: str, folder: pathlib.Path | None
) -> ssl.SSLContext | None:
    if str(cluster["server"]).startswith("http://"):
        return None
    authority = _data(cluster, "certificate-authority", where, folder)
    certificate, key = (_data(user, name, where, folder) for name in ("client-certificate", "client-key"))
    try:
        made = ssl.create_default_context(cadata=authority.decode() if authority else None)
        if cluster.get("insecure-skip-tls-verify"):
            made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        if certificate and key:
            _load(made, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise BadAccess(f"{where}: a certificate or key in it cannot be used") from error
    return made


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """The ssl module wants a file: one that only we can read, for as long as the call takes."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


def _token(user: Mapping[str, Any], where: str, folder: pathlib.Path | None) -> Token:
    if user.get("token"):
        return StaticToken(str(user["token"]))
    if user.get("tokenFile") and folder is not None:
        return FileToken(folder / str(user["tokenFile"]))
    if plugin := user.get("exec"):
        command = (str(plugin["command"]), *map(str, plugin.get("args") or ()))
        environment = {str(item["name"]): str(item["value"]) for item in plugin.get("env") or ()}
        return CommandToken(command, environment, str(plugin.get("apiVersion", "client.authentication.k8s.io/v1")))
    if user.get("auth-provider") or user.get("username"):
        raise BadAccess(f"{where}: auth-provider and passwords are not supported: use a token, a certificate or exec")
    return StaticToken()
