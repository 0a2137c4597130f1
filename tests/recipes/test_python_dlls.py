"""The import libraries of Python for Windows: which functions and variables the headers declare, and the stable ABI lists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"
PYTHONS = sorted(RECIPES.glob("cpython-3.*"))
STABLE = "EXPORT_FUNC(PyList_New)\nEXPORT_DATA(PyList_Type)\n"
OLD_STABLE = "LIBRARY python3\nEXPORTS\n  PyList_New=python39.PyList_New\n  PyList_Type=python39.PyList_Type DATA\n"
DECLARED = """\
__attribute__((dllimport)) PyObject * PyTuple_Pack(Py_ssize_t, ...);
__attribute__((dllimport)) __attribute__((noreturn)) void __attribute__((format(printf, 1, 2))) Py_FatalError(const char *);
extern __attribute__((dllimport)) PyObject * PyExc_KeyError;
extern __attribute__((dllimport)) const unsigned char _Py_ctype_table[256];
extern __attribute__((dllimport)) int (*PyOS_InputHook)(void);
__attribute__((dllimport)) void __attribute__((cdecl)) memcpy_s(void *, int);
static int PyLocal(void) { return 1; }
"""


@pytest.mark.parametrize("old", [False, True])
def test_a_definition_has_the_stable_abi_and_what_the_headers_import(tmp_path: Path, old: bool) -> None:
    stable, headers, output = tmp_path / "python3dll.c", tmp_path / "declarations.i", tmp_path / "python312.def"
    stable.write_text("" if old else STABLE)
    (tmp_path / "python3.def").write_text(OLD_STABLE)
    headers.write_text(DECLARED)
    script = RECIPES / "cpython-3.12/overlay/windows/definition.py"

    subprocess.run([sys.executable, script, output, stable, headers], check=True)

    assert output.read_text().split("\n") == [
        "LIBRARY python312.dll",
        "EXPORTS",
        "    PyExc_KeyError DATA",
        "    PyList_New",
        "    PyList_Type DATA",
        "    PyOS_InputHook DATA",
        "    PyTuple_Pack",
        "    Py_FatalError",
        "    _Py_ctype_table DATA",
        "",
    ]


def test_every_version_is_built_for_windows_in_the_same_way() -> None:
    assert len(PYTHONS) == 7
    for name in ("meson.build", "windows/definition.py", "windows/declarations.c"):
        assert len({(recipe / "overlay" / name).read_text() for recipe in PYTHONS}) == 1


def test_only_the_headers_without_the_gil_disable_it() -> None:
    for recipe in PYTHONS:
        for header in ("Include", "windows"):
            text = (recipe / "overlay" / header / "pyconfig.h").read_text()
            assert ("#define Py_GIL_DISABLED 1" in text) == recipe.name.endswith("t")
