"""The documentation names every command, key, session, state and check, and only those that exist."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from everywheel.audit.checks import CHECKS
from everywheel.cli.failures import CLOSED_OUTPUT, INTERRUPTED
from everywheel.cli.main import main
from everywheel.errors import EverywheelError
from everywheel.smoke.result import SmokeState

ROOT = Path(__file__).parents[2]


def walk_commands(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            yield from walk_commands(sub, (*path, name))
    else:
        yield path, command


COMMANDS = dict(walk_commands(main))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_command_page_names_every_command(path: tuple[str, ...]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text()

    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `everywheel")]
    rows = [re.findall(r"[\w-]+", cell) for cell in cells]

    assert any({"everywheel", *path} <= set(row) for row in rows)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_of_itself(path: tuple[str, ...]) -> None:
    help_text = COMMANDS[path].help or ""

    assert f"Example: everywheel {' '.join(path)}" in help_text


def list_groups() -> list[click.Group]:
    commands = [main.get_command(click.Context(main), name) for name in main.list_commands(click.Context(main))]
    return [main, *(command for command in commands if isinstance(command, click.Group))]


@pytest.mark.parametrize("group", list_groups(), ids=lambda group: group.name)
def test_lists_of_commands_show_every_short_help_whole(group: click.Group) -> None:
    """At 80 columns; click cuts a longer text off."""
    text = group.get_help(click.Context(group, info_name=group.name, terminal_width=80, max_content_width=80))
    commands = text.partition("Commands:\n")[2].partition("\n\n")[0]

    assert "..." not in commands
    assert len(re.findall(r"^  \S.*\.$", commands, re.MULTILINE)) == len(group.list_commands(click.Context(group)))


def keys_read_by(module: str) -> set[str]:
    source = (ROOT / "builder" / "everywheel" / module).read_text()
    return set(re.findall(r'\.(?:text|texts|flag|table|tables|scalars|text_map|text_lists)\(\s*"([a-z0-9-]+)"', source))


FOREIGN_TABLES = {"build-system", "project"}  # tables of the extension's pyproject.toml that other projects document


@pytest.mark.parametrize(
    "key", sorted((keys_read_by("config/recipe_loader.py") | keys_read_by("config/project.py")) - FOREIGN_TABLES)
)
def test_the_reference_describes_every_key(key: str) -> None:
    reference = (ROOT / "docs" / "recipes.md").read_text()

    assert re.search(rf"[`\[. ]{re.escape(key)}[`\].]", reference)


@pytest.mark.parametrize("key", sorted(keys_read_by("containers/catalog.py")))
def test_the_reference_describes_every_key_of_an_image(key: str) -> None:
    reference = "".join((ROOT / "docs" / name).read_text() for name in ("smoke.md", "containers.md"))

    assert re.search(rf"[`\[. {{]{re.escape(key)}[`\]. ]", reference)


SESSIONS = sorted(
    {
        next((str(keyword.value.value) for keyword in keywords if keyword.arg == "name"), node.name)
        for file in ("noxfile.py", ".ci/extension_sessions.py")
        for node in ast.parse((ROOT / file).read_text()).body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        for keywords in [decorator.keywords if isinstance(decorator, ast.Call) else []]
        if ast.unparse(decorator).startswith("nox.session")
    }
)


def test_contributing_lists_exactly_the_sessions() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("## Sessions")[2].partition("\n## ")[0]

    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == SESSIONS


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_name_only_sessions_that_exist(page: Path) -> None:
    named = set(re.findall(r"nox -s ([a-z-]+)", page.read_text()))

    assert named <= set(SESSIONS)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_name_only_options_that_exist(page: Path) -> None:
    options = {option for command in COMMANDS.values() for param in command.params for option in param.opts}
    options |= {option for param in main.params for option in param.opts} | {"--help", "--version"}
    commands = re.findall(r"everywheel (?:[a-z]+ )+[^\n`]*", page.read_text())
    named = {option for line in commands for option in re.findall(r"(?<=\s)--[a-z-]+", line)}

    assert named <= options


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in list_anchors(file)):
            broken.append(target)

    assert broken == []


def list_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_links_every_page() -> None:
    text = (ROOT / "README.md").read_text()

    assert [page.name for page in PAGES if page.parent.name == "docs" and f"(docs/{page.name}" not in text] == []


@pytest.mark.parametrize("session", ["build-all", "tests"])
def test_the_readme_has_a_command_that_needs_only_python(session: str) -> None:
    command = f"    python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox -s {session}\n"

    assert command in (ROOT / "README.md").read_text()


def test_the_matrix_page_explains_every_state() -> None:
    page = (ROOT / "docs" / "smoke.md").read_text()

    assert [state.value for state in SmokeState if f"`{state.value}`" not in page] == []


def test_troubleshooting_explains_every_finding_of_a_recipe() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text().partition("## Findings of `recipes check`")[2]
    rows = re.findall(r"^\| ``(.+?) ?`` \|", page.partition("\n## ")[0], re.MULTILINE)
    review = ast.parse((ROOT / "builder" / "everywheel" / "cli" / "recipe_review.py").read_text())
    yields = [node.value for node in ast.walk(review) if isinstance(node, ast.Yield)]
    findings = [find_longest_text(value) for value in yields if isinstance(value, ast.JoinedStr | ast.Constant)]

    assert len(findings) == 15
    parts = [max(row.split("…"), key=len) for row in rows]
    assert [
        text for text in findings if not any(text in row or part in text for row, part in zip(rows, parts, strict=True))
    ] == []
    assert [row for row in rows if not all(part in MESSAGES for part in re.split(" ?…|: ", row))] == []


def find_longest_text(value: ast.JoinedStr | ast.Constant) -> str:
    """Return the longest part of an f-string without placeholders."""
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    texts = [str(part.value) for part in parts if isinstance(part, ast.Constant)]
    return max(texts, key=len).strip("`' ")


def test_troubleshooting_explains_every_audit_check() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text().partition("## Audit findings")[2].partition("\n## ")[0]

    assert [check.name for check in CHECKS if f"`{check.name}`" not in page] == []


@pytest.mark.parametrize("name", ["progress.svg", "smoke-matrix.svg"])
def test_pictures_show_what_the_program_prints(name: str) -> None:
    spec = importlib.util.spec_from_file_location("draw_screens", ROOT / "docs" / "draw_screens.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    drawn, committed = script.PICTURES[name](), (ROOT / "docs" / name).read_text()

    assert read_picture(drawn) == read_picture(committed), "run `python docs/draw_screens.py`"


def read_picture(svg: str) -> str:
    """Return the text of a picture; layout and colors depend on the version of rich."""
    return "\n".join(
        element.text or "" for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    )


def list_messages() -> str:
    """Return all texts that the package can print, one a line; the placeholders of an f-string are `…`."""
    texts = []
    for path in (ROOT / "builder").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if node in docstrings:
                continue
            if isinstance(node, ast.JoinedStr):
                texts.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_messages_name_pages_that_every_installation_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    sources = [path.read_text() for path in (ROOT / "builder").rglob("*.py") if path.name != "errors.py"]
    named = {name for text in sources for name in re.findall(r"find_page\(['\"]([^'\"]+)", text)}

    assert {source: target for source, target in included.items() if source.startswith("docs/")} == {
        f"docs/{page.name}": f"everywheel/docs/{page.name}" for page in (ROOT / "docs").glob("*.md")
    }
    assert {"troubleshooting.md", "recipes.md"} <= named <= {page.name for page in (ROOT / "docs").glob("*.md")}
    assert [text for text in sources if re.search(r"docs/[\w-]+\.md", text)] == []


def list_symptoms() -> list[str]:
    """Return the messages in the headings of the troubleshooting page."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    return [text for line in re.findall(r"^### (`.*)$", page, re.MULTILINE) for text in re.findall(r"`([^`]+)`", line)]


MESSAGES = list_messages()


@pytest.mark.parametrize("symptom", list_symptoms())
def test_troubleshooting_quotes_messages_of_the_program(symptom: str) -> None:
    pattern = r"[^\n]*".join(map(re.escape, re.split(r" ?… ?", symptom)))

    assert re.search(pattern, MESSAGES) is not None, (
        "the heading in docs/troubleshooting.md quotes no message of the program"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_name_only_files_that_exist(page: Path) -> None:
    named = re.findall(r"`((?:\w[\w.-]*/)+[\w.-]+\.(?:py|c|toml|yml|txt|md))`", page.read_text())

    assert [
        name for name in named if not any((root / name).exists() for root in (ROOT, ROOT / "builder/everywheel"))
    ] == []


def test_commands_lists_every_exit_code() -> None:
    table = (ROOT / "docs" / "commands.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    codes = {str(error.exit_code) for error in EverywheelError.__subclasses__()}

    assert set(re.findall(r"^\| (\d+) \|", table, re.MULTILINE)) == codes | {str(INTERRUPTED), str(CLOSED_OUTPUT)}
