"""Projects that cannot become wheels, each with its own error. Those that need no compiler are in tests/failing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

LABEL = "demo 1.0 for manylinux_2_17_x86_64"
PYPROJECT = """
[build-system]
requires = ["setuptools>=80"]
build-backend = "setuptools.build_meta"
[project]
name = "demo"
version = "1.0"
license = "MIT"
[tool.setuptools]
py-modules = []
[tool.everywheel]
python = ["cp313"]
targets = ["manylinux2014_x86_64"]
"""
SETUP = "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('speed', ['speed.c'], {})])\n"
MODULE = "#include <Python.h>\nPyMODINIT_FUNC PyInit_speed(void) { return NULL; }\n"
SETUPTOOLS = f"error: {LABEL}: setuptools.build_meta failed (exit 1)\n  command: …\n"
ERRORS = {
    "a backend that cannot be imported": (
        {"pyproject.toml": PYPROJECT.replace("setuptools.build_meta", "no_backend")},
        "error: build requirements of demo: the build backend no_backend cannot be imported\n"
        "  reason: ModuleNotFoundError: No module named 'no_backend'\n"
        "  hint: is the distribution that contains it in `requires` of [build-system]? `build-backend` names its module\n",
    ),
    "a backend that ignores CC": (
        {"setup.py": "import subprocess\nfrom setuptools import setup\nsubprocess.run(['gcc', 'speed.c'])\nsetup()\n"},
        f"{SETUPTOOLS}"
        "  | FileNotFoundError: [Errno 2] No such file or directory: 'gcc'\n"
        "  log: …\n"
        "  hint: the build starts the compiler 'gcc' by its own name, which is that of this machine: it must use the compiler "
        "of the target, which $CC, $CXX and $LDSHARED name, as does Python's `sysconfig`\n",
    ),
    "a library of the build machine instead of the prefix": (
        {"setup.py": SETUP.format("extra_objects=['/usr/lib/libz.so']"), "speed.c": MODULE},
        f"{SETUPTOOLS}"
        "  refused: /usr/lib/libz.so (for build/…)\n"
        "  | error: /usr/lib/libz.so is refused: it is a library of the build machine\n"
        "  | …\n"
        "  log: …\n"
        "  hint: the target needs its own library: name a recipe in `requires`, and let the build search it by name (`-lz`) "
        "instead of naming this file\n",
    ),
    "headers of the build machine instead of the prefix": (
        {"setup.py": SETUP.format("include_dirs=['/usr/include']"), "speed.c": f"#include <zlib.h>\n{MODULE}"},
        f"{SETUPTOOLS}"
        "  dropped: -I/usr/include (for speed.c)\n"
        "  | speed.c:1:10: fatal error: 'zlib.h' file not found\n"
        "  |     1 | #include <zlib.h>\n"
        "  |       |          ^~~~~~~~\n"
        "  | 1 error generated.\n"
        "  | …\n"
        "  log: …\n"
        "  hint: '-I/usr/include' names a folder of this machine, which no wheel may depend on: a library from there needs a "
        "recipe, named in `requires`\n",
    ),
    "an unknown library": (
        {"setup.py": SETUP.format("libraries=['nowhere']"), "speed.c": MODULE},
        f"{SETUPTOOLS}"
        "  | …\n"
        "  log: …\n"
        "  hint: 'nowhere' is not among the libraries of the target: name its recipe in `requires`; `everywheel recipes "
        "search` finds recipes\n",
    ),
    "a project that is pure Python": (
        {"setup.py": "from setuptools import setup\nsetup()\n"},
        f"error: {LABEL}: the project is pure Python: it has nothing to build for a target\n"
        "  built: demo-1.0-py3-none-any.whl\n"
        "  hint: the wheel that `pip wheel --no-deps .` builds runs on every system: upload that one\n",
    ),
}


def normalize(errors: str) -> str:
    """Return the text of an error without progress, summary, and what differs between machines."""
    text = errors[errors.index("error: ") :].partition("1 failed, ")[0]
    text = re.sub(r"\d+ done, $", "", text)
    text = re.sub(r"(?m)^  (command|log): .*$", r"  \1: …", text)
    text = re.sub(r"\(for build/[^)]*\)", "(for build/…)", text)
    # The command of the compiler, and the message of the linker, which names its search path.
    return re.sub(r"(?m)(^  \| (error: Command|error: unable to find|searched|  /).*\n)+", "  | …\n", text)


@pytest.mark.parametrize("name", ERRORS)
def test_a_project_that_cannot_become_a_wheel_is_an_error_of_its_own(name: str, tmp_path: Path) -> None:
    files, expected = ERRORS[name]
    for file, text in {"pyproject.toml": PYPROJECT, **files}.items():
        (tmp_path / file).write_text(text)

    command = [sys.executable, "-m", "everywheel", "build"]
    environment = {**os.environ, "COLUMNS": "300"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)

    assert (normalize(result.stderr), result.returncode) == (expected, 2 if "imported" in expected else 1)
