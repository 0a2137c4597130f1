"""The limits of the structure: short functions and modules, no hidden state, and one module for each access to the machine."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import everywheel
import pytest

PACKAGE = Path(everywheel.__file__).parent
ROOT = Path(__file__).parents[2]
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 7
MAX_MODULE_LINES = 300

# Functions beyond a limit by module and name, each with the reason. A command's parameters are its options, and need none.
LONG_FUNCTIONS: dict[str, str] = {}
MANY_PARAMETERS: dict[str, str] = {}
LONG_MODULES: dict[str, str] = {}

# Methods of lists, sets and dictionaries that change them.
CHANGES = frozenset(
    {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
)
# Data classes of another form, each with the reason.
OTHER_DATA_CLASSES = {
    "audit/checks.py:Check": "is a row of a table, one line long",
    "smoke/inside/protocol.py:ImportResult": "Python 3.9 has no slots",
    "smoke/inside/protocol.py:SmokeRequest": "Python 3.9 has no slots",
    "smoke/inside/protocol.py:SmokeReport": "Python 3.9 has no slots",
    "smoke/inside/protocol.py:StageResult": "Python 3.9 has no slots",
    "sources/http.py:_PartialFile": "changes while a file is received",
}
INSIDE = "runs on systems where only Python is installed"
# What each name gives access to, and the modules that may use it with the reason.
ALLOWED_IMPORTS = {
    "tarfile": {
        "archives/tar_reader.py": "parses headers",
        **dict.fromkeys(
            (
                "containers/bootstrap.py",
                "containers/image_archive.py",
                "containers/local_build_image.py",
                "sdk/packages.py",
                "sdk/packing.py",
                "sources/bundle.py",
                "store/local.py",
                "wheels/sdist.py",
            ),
            "writes archives; `test_archives_are_read_by_one_package` checks that it reads none",
        ),
    },
    "zipfile": {"audit/abi3.py": "writes a wheel for abi3audit"},
    "subprocess": {
        "execution/child.py": "starts the supervisor, which starts all commands",
        "execution/process.py": "joins arguments as Windows splits them",
        "smoke/inside/run.py": INSIDE,
    },
}
ALLOWED_CALLS = {
    "click.echo": {"cli/output.py": "escapes control characters"},
    "time.sleep": {
        "execution/supervisor.py": "waits for killed processes that are not its children",
        "release/index.py": "an index lists an upload some time after it: not a failure, so no retry",
        "release/rehearsal.py": "waits for the port of a server on this machine",
    },
}


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def list_modules() -> Iterator[tuple[str, Path]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        yield file.relative_to(PACKAGE).as_posix(), file


def list_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for name, file in list_modules():
        for node in ast.walk(parse(file)):
            assert not isinstance(node, ast.AsyncFunctionDef)
            if isinstance(node, ast.FunctionDef):
                yield f"{name}:{node.name}", node


def count_lines(function: ast.FunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def count_parameters(function: ast.FunctionDef) -> int:
    """Return the number of parameters without the object of a method."""
    names = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def is_command(function: ast.FunctionDef) -> bool:
    """Return whether click calls the function."""
    calls = [decorator.func for decorator in function.decorator_list if isinstance(decorator, ast.Call)]
    return any(isinstance(call, ast.Attribute) and call.attr == "command" for call in calls)


def test_functions_are_short() -> None:
    assert {name for name, node in list_functions() if count_lines(node) > MAX_FUNCTION_LINES} == LONG_FUNCTIONS.keys()


def test_functions_have_few_parameters() -> None:
    functions = [(name, node) for name, node in list_functions() if not is_command(node)]

    assert {name for name, node in functions if count_parameters(node) > MAX_PARAMETERS} == MANY_PARAMETERS.keys()


def test_modules_are_short() -> None:
    lengths = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in list_modules()}
    lengths["noxfile.py"] = len((ROOT / "noxfile.py").read_text(encoding="utf-8").splitlines())

    assert {name for name, length in lengths.items() if length > MAX_MODULE_LINES} == LONG_MODULES.keys()


@pytest.mark.parametrize("imported", ALLOWED_IMPORTS)
def test_a_module_of_the_standard_library_has_few_users(imported: str) -> None:
    users = {
        name
        for name, file in list_modules()
        for node in ast.walk(parse(file))
        if (isinstance(node, ast.Import) and imported in {alias.name for alias in node.names})
        or (isinstance(node, ast.ImportFrom) and node.module == imported)
    }

    assert users == ALLOWED_IMPORTS[imported].keys()


def list_archive_calls() -> Iterator[tuple[str, str]]:
    """Yield each call that opens an archive by tarfile, zipfile or shutil, with its mode."""
    for name, file in list_modules():
        for node in ast.walk(parse(file)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("tarfile.open", "tarfile.TarFile", "zipfile.ZipFile"):
                    mode = [keyword.value for keyword in node.keywords if keyword.arg == "mode"] or node.args[1:2]
                    yield f"{name}: {called}", mode[0].value if mode and isinstance(mode[0], ast.Constant) else "r"
                elif called in ("shutil.unpack_archive", "tarfile.is_tarfile", "zipfile.is_zipfile"):
                    yield f"{name}: {called}", "r"


def test_archives_are_read_by_one_package() -> None:
    """The bounded readers of `archives` are the only ones; all other calls of tarfile and zipfile write."""
    assert [call for call, mode in list_archive_calls() if mode != "w"] == []


def test_elf_files_are_opened_with_a_check_of_their_numbers_of_headers() -> None:
    """Malformed files state numbers that take pyelftools hours."""
    openers = {name for name, file in list_modules() if "ELFFile" in list_calls(file)}
    checkers = {name for name, file in list_modules() if "check_counts" in list_calls(file)}

    assert len(openers) > 3
    assert openers == checkers


def list_calls(file: Path) -> set[str]:
    calls = (node.func for node in ast.walk(parse(file)) if isinstance(node, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


@pytest.mark.parametrize("called", ALLOWED_CALLS)
def test_a_function_of_the_standard_library_has_few_callers(called: str) -> None:
    callers = {
        name
        for name, file in list_modules()
        for node in ast.walk(parse(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == called
    }

    assert callers == ALLOWED_CALLS[called].keys()


def test_pip_is_run_by_one_module() -> None:
    """A list with `-m` and `pip` is a command line of pip."""
    users = {
        name
        for name, file in list_modules()
        for node in ast.walk(parse(file))
        if isinstance(node, ast.List | ast.Tuple)
        and ("-m", "pip") in pairwise(item.value if isinstance(item, ast.Constant) else None for item in node.elts)
    }

    assert users == {"toolchains/pip_settings.py"}


def list_state(tree: ast.Module) -> Iterator[str]:
    """Yield the statements by which functions of a module change its own variables."""
    names = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Global():
                yield ast.unparse(node)
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()) if name in names:
                yield ast.unparse(node)
            case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()) if name in names:
                yield ast.unparse(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if name in names and attr in CHANGES:
                yield ast.unparse(node)


def test_no_module_has_variables_that_change() -> None:
    assert [(name, change) for name, file in list_modules() for change in list_state(parse(file))] == []


def test_a_change_of_a_modules_variable_is_noticed() -> None:
    code = "X = {}\nY = []\ndef f():\n    global Z\n    X[1] = 2\n    Y.append(3)\n    del X[1]\n    z = {}\n    z[1] = 2\n"

    assert sorted(list_state(ast.parse(code))) == ["X[1]", "X[1]", "Y.append(3)", "global Z"]


def test_data_classes_are_frozen_and_have_slots_and_keywords() -> None:
    others = {
        f"{name}:{node.name}"
        for name, file in list_modules()
        for node in ast.walk(parse(file))
        if isinstance(node, ast.ClassDef)
        for decorator in map(ast.unparse, node.decorator_list)
        if decorator.startswith("dataclass") and decorator != "dataclass(frozen=True, slots=True, kw_only=True)"
    }

    assert others == OTHER_DATA_CLASSES.keys()


def test_no_line_is_kept_from_the_formatter() -> None:
    marks = ("fmt: " + "skip", "fmt: " + "off")
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), ROOT / "noxfile.py"]

    assert [file for file in files for mark in marks if mark in file.read_text(encoding="utf-8")] == []
