"""Programs are taken where they are, built where they are not, and never half."""

from pathlib import Path

import pytest

from sandbox.kubernetes import binaries
from sandbox.kubernetes.binaries import BuildError, Recipe

FAKE_GO = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$1" in
  env) echo "${FAKE_RELEASE:-go1.99.0}" ;;
  build) for last; do :; done; case "$FAILS" in "$last") echo "no such package" >&2; exit 1 ;; esac
         while [ "$1" != -o ]; do shift; done; echo built > "$2"; chmod +x "$2" ;;
  install) for last; do :; done; echo installed > "$GOBIN/tool"; chmod +x "$GOBIN/tool" ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file into which a played `go` writes its command lines; the cache is fresh, and no assets are given."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "go").write_text(FAKE_GO)
    (tools / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("SITERECOVERY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path / "calls"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A set of three programs in a source tree of its own."""
    monkeypatch.setattr(binaries, "_SOURCES", tmp_path / "kube")
    source = tmp_path / "kube" / "set"
    source.mkdir(parents=True)
    (source / "go.mod").write_text("module example\n\ngo 1.26.0\n")
    made = Recipe("set", ("one", "two"), {"package.version": "v1"}, {"tool": "example.org/tool@v2"})
    monkeypatch.setattr(binaries, "RECIPES", (made,))
    return made


def silent(line: str) -> None:
    """A listener that does not care."""


def built(calls: Path) -> list[str]:
    """What was asked of `go`, by the last word of each command line."""
    return [line.split()[-1] for line in calls.read_text().splitlines() if not line.startswith("env")]


def test_missing_programs_are_built_once(calls: Path, recipe: Recipe) -> None:
    """The first call builds the whole set, the second finds it."""
    first = binaries.ensure(["one", "tool"], silent)
    second = binaries.ensure(["one", "tool"], silent)

    assert first == second
    assert [path.read_text() for path in first.values()] == ["built\n", "installed\n"]
    assert built(calls) == ["./cmd/one", "./cmd/two", "example.org/tool@v2"]


def test_interrupted_build_goes_on_where_it_was(calls: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure leaves nothing that could be taken for a whole set, and keeps what was built."""
    monkeypatch.setenv("FAILS", "./cmd/two")
    with pytest.raises(BuildError, match="no such package"):
        binaries.ensure(["one"], silent)
    monkeypatch.setenv("FAILS", "")

    binaries.ensure(["one"], silent)

    assert built(calls) == ["./cmd/one", "./cmd/two", "./cmd/two", "example.org/tool@v2"]


def test_other_sources_are_another_set(calls: Path, recipe: Recipe) -> None:
    """A change of a source file builds anew and leaves the old set where it is."""
    before = binaries.ensure(["one"], silent)["one"]
    (recipe.source / "main.go").write_text("package main\n")

    after = binaries.ensure(["one"], silent)["one"]

    assert before != after
    assert before.exists()


def test_given_assets_are_taken(calls: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With KUBEBUILDER_ASSETS nothing is built that is there; what is not there is."""
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "one").write_text("ready")
    (assets / "one").chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))

    assert binaries.ensure(["one"], silent) == {"one": assets / "one"}
    assert not calls.exists()
    assert binaries.ensure(["one", "two"], silent)["two"].read_text() == "built\n"


def test_unknown_program_is_told(calls: Path, recipe: Recipe) -> None:
    """What no recipe builds is an error at once."""
    with pytest.raises(BuildError, match="no recipe builds three"):
        binaries.ensure(["one", "three"], silent)
    assert not calls.exists()


def test_installation_without_sources_says_what_to_do(calls: Path, recipe: Recipe) -> None:
    """Where there is no checkout the folder of ready programs has to be named."""
    (recipe.source / "go.mod").unlink()
    with pytest.raises(BuildError, match="KUBEBUILDER_ASSETS"):
        binaries.ensure(["one"], silent)
