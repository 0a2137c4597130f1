"""Text from outside is shown with its control characters escaped, wherever it is printed."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.progress import CommandPrinter, ProgressDisplay
from everywheel.errors import BuildError, count_noun, printable, printable_line
from everywheel.sources.progress import FetchEvent, FetchEventKind
from everywheel.sources.request import PinnedFile
from everywheel.wheels.wheel import pack_wheel
from example_wheels import make_demo_wheel
from rich.console import Console
from rich.text import Text

PROJECT = Path(__file__).parents[1] / "failing" / "base"
EVIL = "a\x1b[2Jb"
SHOWN = "a\\x1b[2Jb"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ä\t漢\n😀", "ä\t漢\n😀"),
        ("\0\a\b\r\x1b[31m\x7f", "\\x00\\x07\\x08\\r\\x1b[31m\\x7f"),
        ("\x85\x9b31m", "\\x85\\x9b31m"),
        ("\u202eexe\u202c\u2066\u2069\u200e\u200f\u061c", "\\u202eexe\\u202c\\u2066\\u2069\\u200e\\u200f\\u061c"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\udcff", "\\udcff"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_an_error_cannot_have_lines_of_its_own() -> None:
    error = BuildError(f"{EVIL}\n  hint: run rm", details={"reason": "x\n  hint: y"}, excerpt=[EVIL], hint=EVIL)

    assert error.render().splitlines() == [
        f"error: {SHOWN}\\n  hint: run rm",
        "  reason: x\\n  hint: y",
        f"  | {SHOWN}",
        f"  hint: {SHOWN}",
    ]


def test_a_long_line_of_a_message_is_cut_in_its_middle() -> None:
    symbol = "s" * 100_000
    error = BuildError(f"needs {symbol} of libfoo", details={"name": symbol}, excerpt=["short", symbol], hint=symbol)

    lines = error.render().splitlines()

    assert [len(line) for line in lines] == [1001, 1001, len("  | short"), 1001, 1001]
    assert lines[0] == f"error: needs {'s' * 487}…{'s' * 490} of libfoo"
    assert printable_line("x" * 1000) == "x" * 1000
    assert printable_line(f"a\x1b\n{'x' * 1000}b") == f"a\\x1b\\n{'x' * 493}…{'x' * 499}b"


@pytest.mark.parametrize(("number", "text"), [(0, "0 libraries"), (1, "1 library"), (2, "2 libraries")])
def test_a_noun_agrees_with_its_number(number: int, text: str) -> None:
    assert count_noun(number, "library", "libraries") == text
    assert count_noun(number, "file") == f"{number} file{'' if number == 1 else 's'}"


def test_lines_and_tables_are_escaped_and_have_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = make_table("recipe", EVIL)
    table.add_row("[red]x[/y]", Text(EVIL))

    echo(EVIL)
    print_table(table)

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [[SHOWN], ["recipe", SHOWN], ["[red]x[/y]", SHOWN]]


def test_streamed_output_is_escaped_without_its_colors() -> None:
    console = Console(file=io.StringIO(), width=100)
    printer = CommandPrinter(console)

    printer.begin(f"{EVIL}: make", "make")
    printer.output("make", "\x1b[31mred\x1b[0m \x1b]0;title\x07")

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [f"{SHOWN}: make $ make", "make | red \\x1b]0;title\\x07"]


def test_progress_is_escaped() -> None:
    console = Console(file=io.StringIO(), width=100)
    file = PinnedFile(label=EVIL, filename=EVIL, sha256="0" * 64)

    ProgressDisplay(console).fetch(FetchEvent(kind=FetchEventKind.MISMATCH, file=file, location="x", reason=EVIL))

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().endswith(f"{SHOWN}: {SHOWN}: x: {SHOWN}\n")


@pytest.mark.parametrize("command", [["recipes", "list"], ["recipes", "show", "foo"], ["recipes", "list", "--json"]])
def test_the_summary_of_a_recipe_is_escaped(command: list[str], tmp_path: Path) -> None:
    project = shutil.copytree(PROJECT, tmp_path / "project")
    recipe = next(project.rglob("recipe.toml"))
    command = [recipe.parent.name if part == "foo" else part for part in command]
    recipe.write_text('summary = "a\\u001b[2Jb"\n' + recipe.read_text())

    result = CliRunner().invoke(main, ["--project", str(project), *command])

    assert "\x1b" not in result.output
    assert "1b[2Jb" in result.output


def test_the_names_of_a_bundle_are_escaped(tmp_path: Path) -> None:
    row = {"label": EVIL, "filename": EVIL, "sha256": "0" * 64, "size": 1}
    index = json.dumps({"format": 2, "files": [row], "recipes": {}}).encode()
    sums = f"{hashlib.sha256(index).hexdigest()}  index.json\n{'0' * 64}  sources/{'0' * 64}\n".encode()
    with tarfile.open(tmp_path / "bundle.tar", "w") as tar:
        for name, content in (("SHA256SUMS", sums), ("index.json", index), (f"sources/{'0' * 64}", b"x")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

    environment = {"EVERYWHEEL_STORE": str(tmp_path / "store")}
    result = CliRunner().invoke(main, ["sources", "import", str(tmp_path / "bundle.tar")], env=environment)

    assert result.exit_code == 4
    assert f"  | {SHOWN}: {SHOWN}: hash mismatch" in result.output


def test_the_names_of_members_are_escaped_in_an_audit(tmp_path: Path) -> None:
    path = pack_wheel(make_demo_wheel("py3-none-any", {EVIL: b"", "demo-1.0.dist-info/WHEEL": b""}), tmp_path, epoch=0)

    result = CliRunner().invoke(main, ["audit", str(path)])

    assert result.exit_code == 5
    assert f"  | archive (load): {SHOWN}: the path contains control characters" in result.output
