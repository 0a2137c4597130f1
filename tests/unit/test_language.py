"""The project's text uses standard technical English: no word of the list below, US spelling, plain identifiers."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each pattern with what to write instead; all are matched as whole words, in any case.
BANNED = {
    r"lets? (?:it |them |nothing |anything )?(?:out|through)|let through": "exports, allows",
    r"tells?|told|telling|says?|said|saying": "reports, prints, returns, states, names",
    r"ask|asks|asked|asking": "queries, requires, requests, calls",
    r"lacks?|lacking|lacked": "has no, is missing",
    r"(?<!there )(?:is|was) no (?!longer|more|less|such|other|different)\w+": "is not a X",
    r"(?:is|are|was|were) (?:not )?there": "exists, is missing",
    r"besides?": "also, next to, except",
    r"(?<!left )(?<!leave )(?<!leaves )alone": "only",
    r"stands?|lies|lie|lay": "is",
    r"whoever|whatever|nobody|somebody|whichever": "the caller, any, no one",
    r"strange|strangers?|odd": "unexpected, unrelated",
    r"mend|mends|mended|mending|anew|afresh": "fix, again",
    r"in the place of|takes? (?:\w+ )?along|taken along|in its place": "instead of, include",
    r"can(?:not)? be had|to be had|goes on|go on|going on|went on|taken back|called off": "is available, resumes, rolled back",
    r"held against|made of|what of|what is wrong with": "compared with, built from, which parts of",
    r"rooms?|house|hands? (?:in|over)|handed (?:in|over)": "module, package, pass",
    r"licences?|licenced|optimis\w+|normalis\w+|colours?|neighbours?|behaviours?|catalogues?": "US spelling",
    r"recognis\w+|organis\w+|initialis\w+|serialis\w+|minimis\w+|summaris\w+|quantis\w+|synchronis\w+": "US spelling",
    r"favours?|favourites?|grey|centres?|artefacts?|analys(?:e|es|ed|ing)|cancell(?:ed|ing)": "US spelling",
}
PATTERNS = {re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE): instead for pattern, instead in BANNED.items()}
IDENTIFIERS = frozenset(
    {"words", "word", "told", "tell", "one", "found", "made", "given", "place", "places", "more", "lack", "said"}
)

# Quotations: what other programs print or name, by file; each entry is removed from the text before it is searched.
QUOTED: dict[str, tuple[str, ...]] = {}
SKIPPED = ("LICENSE", "tests/unit/test_language.py")
SKIPPED_PARTS = ("patches", "overlay", "data", "licenses")
SUFFIXES = (".py", ".md", ".toml", ".yml", ".c", ".h", ".cpp", ".pyi", ".html", ".txt", ".mjs", ".sh")


def list_files() -> list[str]:
    """Return the tracked text files of the project, relative to its root."""
    output = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    paths = [Path(line) for line in output.splitlines()]
    return [
        path.as_posix()
        for path in paths
        if (path.suffix in SUFFIXES or path.name == "Dockerfile" or path.parts[0] == ".ci")
        and path.as_posix() not in SKIPPED
        and not set(path.parts) & set(SKIPPED_PARTS)
        and (ROOT / path).is_file()
    ]


def read_prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line numbers and text: of Python files the strings and comments, of others every line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix not in (".py", ".pyi"):
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield from enumerate(token.string.splitlines(), token.start[0])


def list_identifiers(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every name that a Python file binds or that a parameter has."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def list_titles(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the names of functions and classes as prose: `test_it_is_found` is `test it is found`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name.replace("_", " ")


def find_problems(name: str, lines: Iterator[tuple[int, str]]) -> list[str]:
    """Return one line for each word that is not used here, with what to write instead."""
    problems = []
    for number, line in lines:
        for quoted in QUOTED.get(name, ()):
            line = line.replace(quoted, "")
        for pattern, instead in PATTERNS.items():
            problems += [f"{name}:{number}: '{match[0]}': write {instead}" for match in pattern.finditer(line)]
    return problems


@pytest.mark.parametrize("name", list_files())
def test_prose_is_plain_technical_english(name: str) -> None:
    problems = find_problems(name, read_prose(ROOT / name))

    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", [name for name in list_files() if name.endswith(".py")])
def test_identifiers_are_terms_of_the_field(name: str) -> None:
    problems = [
        f"{name}:{number}: {identifier}"
        for number, identifier in list_identifiers(ROOT / name)
        if identifier in IDENTIFIERS
    ]

    assert problems == []


@pytest.mark.parametrize(
    "name", [name for name in list_files() if name.startswith("builder/") and name.endswith(".py")]
)
def test_no_docstring_begins_with_what(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    documented = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [
        node.lineno if not isinstance(node, ast.Module) else 1
        for node in documented
        if (ast.get_docstring(node) or "").startswith("What ")
    ] == []
