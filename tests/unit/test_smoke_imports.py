"""Import of a wheel's extension modules: their names, the program that imports them, and that the source tree is not found.

What the import program does is the same for modules in Python, which most of these tests use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from everywheel.audit.wheel_contents import WheelContents
from everywheel.platforms.target import parse_target
from everywheel.smoke.dependencies import list_requirements, make_marker_environment
from everywheel.smoke.imports import INSIDE, describe_failed_imports, describe_missing, list_imported, list_missing
from everywheel.smoke.inside.protocol import ImportResult, read_imports
from everywheel.smoke.modules import find_module_files
from everywheel.wheels.wheel import WheelFile, pack_wheel
from example_wheels import ELF, PE, make_demo_wheel

SUFFIX = EXTENSION_SUFFIXES[0]


def test_modules_are_named_by_their_files_and_not_confused_with_libraries() -> None:
    module = replace(ELF, exports=("PyInit__demo", "PyInit_bare"))
    files = {
        "demo/_demo.cpython-311-x86_64-linux-gnu.so": module,
        "demo/sub/_demo.abi3.so": module,
        "demo/bare.so": module,
        "demo/__init__.cpython-311-x86_64-linux-gnu.so": module,
        "demo-1.0.data/platlib/top.abi3.so": module,
        "demo/libplain.so": ELF,
        "demo/_opened.abi3.so": replace(ELF, exports=("demo_encrypt",)),
        "demo.libs/libz-1234.so.1": ELF,
        "demo-1.0.data/scripts/_demo.abi3.so": module,
        "demo/not-a-name/_demo.abi3.so": module,
    }
    wheel = make_demo_wheel("cp311-cp311-manylinux2014_x86_64", {})
    contents = WheelContents(path=Path("demo.whl"), wheel=wheel, elves=files, pes={"demo/_win.cp311-win_amd64.pyd": PE})

    assert find_module_files(contents) == {
        "demo._demo": "demo/_demo.cpython-311-x86_64-linux-gnu.so",
        "demo.sub._demo": "demo/sub/_demo.abi3.so",
        "demo.bare": "demo/bare.so",
        "demo": "demo/__init__.cpython-311-x86_64-linux-gnu.so",
        "top": "demo-1.0.data/platlib/top.abi3.so",
        "demo._win": "demo/_win.cp311-win_amd64.pyd",
    }


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the installed packages `demo`, and a project next to it whose source tree has a `demo` as well."""
    site = tmp_path / "site"
    for folder, origin in ((site, "wheel"), (tmp_path / "project", "source tree")):
        (folder / "demo").mkdir(parents=True)
        (folder / "demo" / "__init__.py").write_text(f"ORIGIN = '{origin}'\n")
    return site


def run(site: Path, arguments: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run this Python as a smoke test does, with an installed wheel in `site`."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PYTHONPATH": os.pathsep.join(map(str, (site, INSIDE / "site"))),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "EVERYWHEEL_SITE": str(site),
    }
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def import_modules(site: Path, *names: str) -> tuple[int, tuple[ImportResult, ...]]:
    results = site.parent / "results.json"
    process = run(site, [INSIDE / "import_modules.py", results, *names], site.parent)
    return process.returncode, read_imports(results)


def test_a_package_that_is_not_installed_is_reported_and_other_modules_are_imported(site: Path) -> None:
    (site / "demo" / "_good.py").write_text("")
    (site / "demo" / "_optional.py").write_text("import everywheel_none.sub\n")

    code, results = import_modules(site, "demo._good", "demo._optional")

    assert (code, list_imported(results)) == (0, ("demo._good",))
    assert list_missing(results) == {"demo._optional": "everywheel_none"}
    assert describe_missing(list_missing(results)) == (
        "demo._optional requires everywheel_none, which is neither in the wheel nor one of its requirements"
    )


def test_a_module_of_the_interpreter_that_cannot_be_loaded_is_reported_as_missing(site: Path) -> None:
    file = f"{sysconfig.get_path('platstdlib')}/lib-dynload/_tkinter.so"
    text = "Error loading shared library libtk8.6.so"
    (site / "demo" / "_window.py").write_text(f"raise ImportError({text!r}, name='_tkinter', path={file!r})\n")
    (site / "demo" / "_own.py").write_text(
        f"raise ImportError('absent', name='demo._own', path='{site}/demo/_own.so')\n"
    )

    _, (window, own) = import_modules(site, "demo._window", "demo._own")

    assert (window.error, window.missing) == (f"ImportError: {text}", "_tkinter")
    assert (own.error, own.missing) == ("ImportError: absent", "")


def test_the_first_module_that_cannot_be_imported_is_named_with_the_message_of_the_loader(site: Path) -> None:
    (site / "demo" / f"_bad{SUFFIX}").write_bytes(b"\x7fELF")
    (site / "demo" / "_absent.py").write_text("import demo.none\n")

    code, results = import_modules(site, "demo._bad", "demo._absent")

    assert (code, list_missing(results)) == (1, {})
    assert describe_failed_imports(results, lambda error: error) == (
        f"demo._bad cannot be imported (nor can 1 other): ImportError: {site}/demo/_bad{SUFFIX}: file too short"
    )
    assert results[1].error == "ModuleNotFoundError: No module named 'demo.none'"


def test_no_import_at_all_is_a_failure(site: Path) -> None:
    (site / "demo" / "_optional.py").write_text("import everywheel_none\n")

    code, results = import_modules(site, "demo._optional")

    assert code == 1
    assert describe_failed_imports(results, str) == (
        "no module can be imported: demo._optional requires everywheel_none, "
        "which is neither in the wheel nor one of its requirements"
    )


def test_a_module_that_ends_the_process_is_named(site: Path) -> None:
    (site / "demo" / "_crash.py").write_text("import os\nos._exit(3)\n")

    code, results = import_modules(site, "demo", "demo._crash")

    assert code == 3
    assert results == (
        ImportResult(module="demo"),
        ImportResult(module="demo._crash", error="the process ended while it was imported"),
    )


def test_a_wheel_may_have_a_module_named_as_those_of_the_program(site: Path) -> None:
    (site / "protocol.py").write_text("VALUE = 1\n")
    (site / "demo" / "_user.py").write_text("import protocol\nassert protocol.VALUE == 1\n")
    (site / "demo" / "_run.py").write_text("import run\n")

    _, results = import_modules(site, "demo._user", "demo._run")

    assert [(result.error, result.missing) for result in results] == [
        ("", ""),
        ("ModuleNotFoundError: No module named 'run'", "run"),
    ]


TEST = "import demo\ndef test_origin():\n    assert demo.ORIGIN == 'wheel'\n"
LAYOUTS = {
    "tests without packages": {"tests/test_demo.py": TEST},
    "tests that are a package": {"tests/__init__.py": "", "tests/test_demo.py": f"import tests\n{TEST}"},
    "a conftest in the root": {"conftest.py": "", "tests/test_demo.py": TEST},
    "a path in the configuration": {"tests/test_demo.py": TEST, "pytest.ini": "[pytest]\npythonpath = .\n"},
    "the mode importlib": {
        "tests/a/test_demo.py": TEST,
        "tests/b/test_demo.py": TEST,
        "pytest.ini": "[pytest]\naddopts = --import-mode=importlib\npythonpath = .\n",
    },
}


@pytest.mark.parametrize("files", LAYOUTS.values(), ids=LAYOUTS)
def test_tests_in_a_flat_layout_import_the_wheel(site: Path, files: dict[str, str]) -> None:
    project = site.parent / "project"
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)

    process = run(site, ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], project)

    assert process.returncode == 0, process.stdout


def test_a_script_that_adds_its_source_tree_imports_the_wheel(site: Path) -> None:
    script = "import sys; sys.path.insert(0, '.'); import demo; print(demo.ORIGIN)"

    assert run(site, ["-c", script], site.parent / "project").stdout == "wheel\n"


def test_packages_of_one_namespace_are_found_in_all_folders(site: Path) -> None:
    for folder, name in ((site, "inner"), (site.parent / "project", "other")):
        (folder / "space" / name).mkdir(parents=True)
        (folder / "space" / name / "__init__.py").write_text(f"ORIGIN = '{folder.name}'\n")
    (site.parent / "project" / "space" / "inner").mkdir()
    (site.parent / "project" / "space" / "inner" / "__init__.py").write_text("ORIGIN = 'project'\n")
    script = "import sys; sys.path.insert(0, '.'); import space.inner, space.other; print(space.inner.ORIGIN)"

    process = run(site, ["-c", script], site.parent / "project")

    assert (process.stdout, process.stderr) == ("site\n", "")


def test_markers_are_those_of_the_target(tmp_path: Path) -> None:
    fields = (
        "numpy>=1.20",
        'tomli; python_version < "3.11"',
        'colorama; sys_platform == "win32" and platform_machine == "AMD64"',
        'pytest; extra == "test"',
    )
    metadata = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n" + "".join(f"Requires-Dist: {f}\n" for f in fields)
    wheel = make_demo_wheel("cp39-abi3-win_amd64", {"demo-1.0.dist-info/METADATA": metadata.encode()})
    wheel = replace(
        wheel, files={**wheel.files, "demo-1.0.dist-info/WHEEL": WheelFile(data=b"Tag: cp39-abi3-win_amd64\n")}
    )
    path = pack_wheel(wheel, tmp_path, epoch=1_600_000_000)

    required = {
        tag: list_requirements(path, make_marker_environment(parse_target(tag), python))
        for tag, python in (("win_amd64", "3.13"), ("manylinux2014_x86_64", "3.10"), ("macosx_11_0_arm64", "3.11"))
    }

    assert required == {
        "win_amd64": ["colorama", "numpy>=1.20"],
        "manylinux2014_x86_64": ["numpy>=1.20", "tomli"],
        "macosx_11_0_arm64": ["numpy>=1.20"],
    }
