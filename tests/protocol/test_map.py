"""docs/explanation/two-sites.md, the code and the stories name the same rules at the same places."""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from model.rules import RULES as MODELLED

from .rules import RULES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "siterecovery"
PAGE = ROOT / "docs" / "explanation" / "two-sites.md"
WORD = re.compile(r"\b(" + "|".join(MODELLED) + r")\b")


def said_in(path: Path) -> Iterator[tuple[str, str]]:
    """(rule, function) for each mention in a docstring or comment; mentions outside any function are at the module's own name."""
    text = path.read_text()
    spans = [(name, node) for name, node in _functions(ast.parse(text), "")]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (
            token.type == tokenize.STRING and token.string.lstrip("rf").startswith('"""')
        ):
            at = [name for name, node in spans if node.lineno <= token.start[0] <= (node.end_lineno or 0)]
            module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            for rule in WORD.findall(token.string):
                yield rule, f"{module}:{at[-1] if at else ''}"


def _functions(
    node: ast.AST, prefix: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield f"{prefix}{child.name}", child
            yield from _functions(child, f"{prefix}{child.name}.")


def table() -> dict[str, tuple[str, str, str]]:
    rows = re.findall(r"^\| (\w+) \| `([\w.:]+)` \| `(\w+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    return {rule: (home, story, breaks) for rule, home, story, breaks in rows}


def test_each_rule_is_told_at_its_one_function() -> None:
    """In docstrings and comments of the product each rule's name occurs in the function that keeps it, and nowhere else."""
    found = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        for rule, home in said_in(path):
            found[rule].add(home)
    assert found == {rule: {it.home} for rule, it in RULES.items()}


def test_the_page_shows_the_same() -> None:
    """The table in the manual has each rule with its function, its story and what breaks."""
    assert table() == {rule: (it.home, it.story.__name__, it.breaks.value) for rule, it in RULES.items()}


def test_the_stories_are_about_the_models_rules() -> None:
    """No rule of the model without a story on the real code, and the other way round."""
    assert set(RULES) == set(MODELLED)
