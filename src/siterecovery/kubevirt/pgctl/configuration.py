"""The file that says which kubeconfig context plays which role: `~/.config/pgctl/config.yaml`, or the one in PGCTL_CONFIG.

    namespace: site-recovery
    contexts:
      primary: {cluster: cluster1, kubeconfig: ~/.kube/config-cluster1}
      dr: {cluster: cluster2, kubeconfig: ~/.kube/config-cluster2, aliases: [dr-cluster]}
      quorum: {cluster: quorum, kubeconfig: ~/.kube/config-quorum, context: admin}

It names files, and never holds a credential itself."""

import contextlib
import enum
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from siterecovery.kubevirt.clusters.access import Access, from_file
from siterecovery.kubevirt.crds.base import ClusterName
from siterecovery.kubevirt.pgctl.errors import Failure, Precondition

NAMESPACE = "site-recovery"
_SET = "pgctl config set-context primary --cluster cluster1 --kubeconfig cluster1.kubeconfig"


class Role(enum.StrEnum):
    """The order is the one in which clusters are shown."""

    PRIMARY = "primary"
    DR = "dr"
    QUORUM = "quorum"
    """Runs no virtual machines."""


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", hide_input_in_errors=True
    )


class Context(_Part):
    cluster: ClusterName
    kubeconfig: str | None = None
    """Without it: KUBECONFIG, else ~/.kube/config."""
    context: str | None = None
    """Without it: the kubeconfig's current one."""
    aliases: list[ClusterName] = Field(default_factory=list)


class Settings(_Part):
    namespace: str = NAMESPACE
    controller_namespace: str = NAMESPACE
    """Where the controllers run, for questions about their health."""
    contexts: dict[Role, Context] = Field(default_factory=dict)

    @pydantic.model_validator(mode="after")
    def _names_are_told_apart(self) -> "Settings":
        names = [name for context in self.contexts.values() for name in (context.cluster, *context.aliases)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} names two clusters: each cluster and alias needs a name of its own")
        return self


def location(environment: Mapping[str, str]) -> pathlib.Path:
    if environment.get("PGCTL_CONFIG"):
        return pathlib.Path(environment["PGCTL_CONFIG"]).expanduser()
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return pathlib.Path(base).expanduser() / "pgctl" / "config.yaml"


def load(path: pathlib.Path) -> Settings:
    """An absent file is an empty configuration."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return Settings.model_validate(found)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise Failure(f"the configuration {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise Precondition(
            f"the configuration {path} is not YAML: correct it, or write it anew with: {_SET}"
        ) from error
    except pydantic.ValidationError as error:
        raise Precondition(f"the configuration {path} is wrong: {'; '.join(_sentences(error))}") from error


def _sentences(error: pydantic.ValidationError) -> Iterator[str]:
    for item in error.errors(include_input=False, include_url=False):
        at = ".".join(map(str, item["loc"]))
        yield f"{at}: {item['msg']}" if at else item["msg"]


def save(path: pathlib.Path, settings: Settings) -> None:
    """Whole or not at all: a configuration cut short would lock its owner out in a disaster."""
    text = yaml.safe_dump(settings.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            pathlib.Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                pathlib.Path(name).unlink()
            raise
    except OSError as error:
        raise Failure(f"the configuration {path} cannot be written: {error.strerror}") from error


def require(settings: Settings, path: pathlib.Path) -> None:
    if not settings.contexts:
        raise Precondition(f"{path} names no cluster yet. Say where each is, beginning with: {_SET}")


def kubeconfig_of(context: Context, environment: Mapping[str, str]) -> pathlib.Path:
    """Several files in KUBECONFIG: the first that has the context."""
    if context.kubeconfig:
        return pathlib.Path(context.kubeconfig).expanduser()
    named = [pathlib.Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    candidates = named or [pathlib.Path("~/.kube/config").expanduser()]
    return next((path for path in candidates if _has(path, context.context)), candidates[0])


def _has(path: pathlib.Path, wanted: str | None) -> bool:
    try:
        whole = yaml.safe_load(path.read_text(encoding="utf-8"))
        return any(wanted in (None, item.get("name")) for item in whole.get("contexts") or ())
    except (OSError, yaml.YAMLError, AttributeError):
        return False  # whoever opens it says what is wrong with it


def access_of(context: Context, environment: Mapping[str, str]) -> Access:
    """Raises BadAccess."""
    return from_file(kubeconfig_of(context, environment), context.context)
