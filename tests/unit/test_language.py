"""The project's text uses standard technical English: no word of the list below, US spelling, plain identifiers.

One test per file, so that `-k src/path` checks a part; a failure lists every hit as `file:line: 'text': write ...`.
"""

from __future__ import annotations

import ast
import re
import subprocess
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each pattern with the replacement to suggest. They match whole words in any case, and spaces match line breaks.
BANNED = {
    r"lets? (?:it |them |nothing |anything )?(?:out|through)": "exports, allows",
    r"tells?|told|telling|says?|said|saying": "reports, prints, returns, states, names",
    r"ask|asks|asked|asking|unasked": "queries, requires, requests, calls",
    r"lacks?|lacking|lacked": "has no, is missing",
    r"(?<!there )(?:is|are|was|were) no (?!longer|more|less|fewer|such|other|different)\w+": "is not a X, has no X",
    r"(?:is|are|was|were) (?:not )?there": "exists, is missing",
    r"besides?": "also, next to, except",
    r"(?<!left )(?<!leave )(?<!leaves )(?<!leaving )(?<!stand-)alone": "only",
    r"stands?|stood|lies|lie|lay": "is",
    r"whoever|whatever|nobody|somebody|whichever|whom": "the caller, any, no one",
    r"strange|strangely|strangers?": "unexpected, unrelated",
    r"odd(?! number| or | width| height| size| length| count| dimension)|oddly": "unexpected, unrelated",
    r"mend|mends|mended|mending|anew|afresh": "fix, again",
    r"in the place of|in its place|(?:takes?|taking|brings?|bringing) (?:\w+ )?along|(?:taken|brought) along": (
        "instead of, include"
    ),
    r"be had|goes on|go on|going on|gone on|went on|(?:taken|takes?|given|gives?) back|(?:called|calls?) off": (
        "is available, resumes, rolled back, returns, canceled"
    ),
    r"(?:held|holds?|holding) (?:[\w'’]+ ){0,4}against|made of|what of|what is wrong with": (
        "compared with, built from, which parts of"
    ),
    r"rooms?|house|(?<!by )(?:hands?|handed|handing) (?:\w+ )?(?:in|over)": "module, space, package, pass",
    r"(?:the|this|that|its|whose) very(?! first| last) \w+": "the same, this",
    r"(?:has|have|had|knows?) (?:it|them|one|that) not": "does not have it",
    r"(?!(?-i:LICENCE))licences?|licenced": "US spelling",
    r"coloured|colours?|neighbours?|neighbouring|behaviours?|favours?|favourites?|flavours?|honours?": ("US spelling"),
    r"catalogues?|grey|centres?|artefacts?|analyse|analysed|analysing|cancell(?:ed|ing)(?!\()|labell(?:ed|ing)": (
        "US spelling"
    ),
    r"modell(?:ed|ing)|travell(?:ed|ing)|signall(?:ed|ing)|programmes?|(?:mis)?spelt|learnt|whilst|amongst|defence": (
        "US spelling"
    ),
    r"(?:un|de|re|in|over)?(?:optim|normal|recogn|organ|initial|serial|minim|maxim|summar|quant|synchron|custom|standard"
    r"|util|final|special|general|local|visual|random|author|capital|priorit|categor|parallel|virtual|sanit|token"
    r"|canonical|material|modular|symbol|penal|emphas|apolog|real)is(?:e|es|ed|er|ers|ing|ation|ations)": "US spelling",
}
_SPACE = re.compile(r"(\(\?<![^)]*\))| ")  # a space that is not inside a look-behind, whose width is fixed
_GROUPS = [_SPACE.sub(lambda match: match[1] or r"\s+", pattern) for pattern in BANNED]
_WHOLE = re.compile("|".join(rf"\b(?P<p{number}>{pattern})\b" for number, pattern in enumerate(_GROUPS)), re.IGNORECASE)
IDENTIFIERS = frozenset(
    {"words", "word", "told", "tell", "one", "found", "made", "given", "place", "places", "more", "lack", "said"}
)

# Quotations: what other programs print or name, by file; each entry is removed from the text before it is searched.
QUOTED: dict[str, tuple[str, ...]] = {
    ".github/workflows/wheels.yml": ("contains(needs.*.result, 'cancelled')",),  # a state of GitHub Actions
    "recipes/libvips/recipe.toml": ("libvips/colour/float2rad.c",),  # a file of upstream
    "tests/unit/test_workflows.py": ("contains(needs.*.result, 'cancelled')",),
}
SKIPPED = ("LICENSE", "tests/unit/test_language.py")
SKIPPED_PARTS = ("patches", "overlay", "data", "licenses")
SUFFIXES = (".py", ".md", ".toml", ".yml", ".c", ".h", ".cpp", ".pyi", ".html", ".txt", ".mjs", ".sh")

# A comment or a string of a Python file. Unlike tokenize, it keeps the text of f-strings in every version of Python.
_PYTHON_TEXT = re.compile(
    r"#[^\n]*"
    r'|"""(?:[^"\\]|\\.|"(?!""))*"""'
    r"|'''(?:[^'\\]|\\.|'(?!''))*'''"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'(?:[^'\\\n]|\\.)*'",
    re.DOTALL,
)


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


def find_banned(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the offset, the text and the suggested replacement of every banned word.

    >>> [hit for _, hit, _ in find_banned("It says that what it lacks is left alone; 'odd number' is fine.")]
    ['says', 'lacks']
    """
    for match in _WHOLE.finditer(text):
        number = int((match.lastgroup or "p0")[1:])
        yield match.start(), " ".join(match[0].split()), list(BANNED.values())[number]


def find_in_prose(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and message for banned words: of Python files in strings and comments, of others anywhere."""
    for quoted in QUOTED.get(name, ()):
        text = text.replace(quoted, re.sub(r"\S", "·", quoted))
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    pieces = _PYTHON_TEXT.finditer(text) if name.endswith((".py", ".pyi")) else re.finditer(r"(?s).+", text)
    for piece in pieces:
        for offset, hit, instead in find_banned(piece[0]):
            yield bisect_right(starts, piece.start() + offset), f"'{hit}': write {instead}"


def find_in_names(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield line number and message for identifiers without meaning, and for banned words in names of definitions."""
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in IDENTIFIERS:
            yield node.lineno, f"'{node.id}': write the noun for the value"
        elif isinstance(node, ast.arg) and node.arg in IDENTIFIERS:
            yield node.lineno, f"'{node.arg}': write the noun for the value"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for _, hit, instead in find_banned(node.name.replace("_", " ")):
                yield node.lineno, f"'{hit}' in the name {node.name}: write {instead}"


def find_in_docstrings(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield line number and message for docstrings that begin with "What"."""
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) or ""
        ).lstrip().startswith(("What ", "Whether ")):
            line = 1 if isinstance(node, ast.Module) else node.lineno
            yield line, "docstring begins with 'What': write a noun phrase, or an imperative for a function"


def find_problems(name: str) -> list[str]:
    """Return one line for each problem of a file, in the order of the lines."""
    text = (ROOT / name).read_text(encoding="utf-8")
    problems = list(find_in_prose(name, text))
    if name.endswith((".py", ".pyi")):
        nodes = list(ast.walk(ast.parse(text)))
        problems += [*find_in_names(nodes), *find_in_docstrings(nodes)]
    return [f"{name}:{line}: {message}" for line, message in sorted(problems)]


@pytest.mark.parametrize("name", list_files())
def test_text_is_plain_technical_english(name: str) -> None:
    problems = find_problems(name)

    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "text",
    [
        "the library lets nothing out",
        "what it TOLD you",
        "a file that\nis not\nthere",
        "this is no wheel",
        "the very bytes",
        "it cannot be had",
        "holds each wheel against the first",
        "an odd array",
        "unrecognised",
        "the licence",
    ],
)
def test_the_list_finds_banned_words(text: str) -> None:
    assert len(list(find_banned(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "there is no file",
        "it is no longer used",
        "other work is left alone",
        "an odd number of pixels",
        "LICENCE.md",
        "built by hand in a container",
        "if: !cancelled()",
        "wheelhouse",
        "promised, raised and revised",
    ],
)
def test_the_list_allows_standard_terms(text: str) -> None:
    assert list(find_banned(text)) == []


def test_quotations_are_still_in_their_files() -> None:
    unused = [
        f"{name}: {quoted}"
        for name, quotations in QUOTED.items()
        for quoted in quotations
        if not (ROOT / name).is_file() or quoted not in (ROOT / name).read_text(encoding="utf-8")
    ]

    assert unused == []
