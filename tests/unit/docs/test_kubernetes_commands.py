"""Every command in the pages on Kubernetes exists, with its options, as does every file and every page that they name. Nothing is run."""

import pathlib
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from sandbox.cli import _parser
from sandbox.kubernetes.served import KUBECONFIGS
from siterecovery.kubevirt.domain import resources
from siterecovery.kubevirt.pgctl.main import pgctl

ROOT = pathlib.Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "tutorial-kubernetes.md",
    ROOT / "docs" / "how-to" / "failover.md",
    ROOT / "docs" / "how-to" / "protect.md",
    ROOT / "docs" / "how-to" / "troubleshooting.md",
    ROOT / "docs" / "explanation" / "one-copy.md",
]
# What kubectl knows without us, as far as the pages use it.
OTHERS = {"vm", "vmi", "pods", "nodes", "lease", "deployment", "crd"}
VERBS = {"get", "describe", "apply", "patch", "delete", "annotate", "logs"}


def commands(page: pathlib.Path) -> Iterator[str]:
    """Lines of shell blocks, and words in back quotes that begin like a command. What a here-document holds is no command."""
    text = page.read_text()
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from re.sub(r"<<(\w+)\n.*?\n\1\n", "\n", block, flags=re.DOTALL).splitlines()
    if page.name == "README.md":  # whose prose is about the other half too, and abbreviates
        return
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from (" ".join(words.split()) for words in re.findall(r"`([^`]+ [^`]+)`", prose))


ALL = sorted({(page.name, line.strip()) for page in PAGES for line in commands(page) if line.strip()})


def of(program: str) -> list[list[str]]:
    """Every command line of a program, in words, without comments."""
    lines = sorted({line for _, line in ALL if re.match(rf"{program}( |$)", line)})
    return [shlex.split(line, comments=True) for line in lines]


def spoken(lines: list[list[str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("words", lines, ids=" ".join)


def parsed(command: click.Command, words: list[str]) -> None:
    """As far as a command line can be judged without doing it; click.UsageError otherwise. Prose may leave an argument to the reader."""
    if isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no {words[0]} among {', '.join(command.commands)}"
        parsed(found, words[1:])
    elif not isinstance(command, click.Group):
        command.make_context(command.name, list(words), resilient_parsing=not words)


@spoken(of("pgctl"))
def test_pgctl_commands(words: list[str]) -> None:
    """pgctl knows the command and takes its options."""
    parsed(pgctl, words[1:])


@spoken(of(r"\./\S+"))
def test_scripts(words: list[str]) -> None:
    """The script is there, and pgctl takes what it hands on."""
    assert (ROOT / "deploy" / "scripts" / words[0]).exists()
    target = [word.removeprefix("--to-") for word in words if word.startswith("--to-")]
    parsed(pgctl, ["failover", *(word for word in words[1:] if not word.startswith("--to-")), "--to", *target])


@spoken(of("sandbox"))
def test_sandbox_commands(words: list[str]) -> None:
    """The sandbox takes the command line; asking for help is a proper end too."""
    if words[-1] == "--help":
        with pytest.raises(SystemExit, match="0"):
            _parser().parse_args(words[1:])
    else:
        _parser().parse_args(words[1:])


@spoken(of("make"))
def test_make_words(words: list[str]) -> None:
    """The Makefile has the word."""
    text = (ROOT / "Makefile").read_text()
    assert [word for word in words[1:] if not re.search(rf"^{re.escape(word)}:", text, re.MULTILINE)] == []


def known_kinds() -> set[str]:
    """Our kinds by every name that kubectl takes, and those of others that the pages use."""
    ours = (resources.PROTECTION_GROUPS, resources.FAILOVERS, resources.PROTECTION_REQUESTS)
    return OTHERS | {name for kind in ours for name in (kind.plural, kind.kind.lower())}


@spoken(of("kubectl"))
def test_kubectl_commands(words: list[str]) -> None:
    """A verb of kubectl, a kind that the clusters have, and one of the kubeconfig files that the sandbox leaves."""
    files = {word.partition("=")[2] for word in words if word.startswith("--kubeconfig=")}
    assert files <= {f"{name}.kubeconfig" for name in KUBECONFIGS}
    plain = [word for word in words[1:] if not word.startswith("-")]
    assert plain[0] in VERBS
    if plain[0] not in ("apply", "logs"):
        assert plain[1] in known_kinds()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    """Every page or file that is linked is there."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_there_is_something_to_look_at() -> None:
    """The pages speak of each program more than once."""
    assert min(len(of(program)) for program in ("pgctl", r"\./\S+", "sandbox", "make", "kubectl")) > 2
