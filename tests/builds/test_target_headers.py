"""Build requirements with headers that describe a machine: a build gets those of the target's wheel, or an error."""

from __future__ import annotations

import shutil
from pathlib import Path
from zipfile import ZipFile

from everywheel.platforms.target import build_machine_target
from fixture_project import FixtureProject

HERE = build_machine_target()
OTHER = "manylinux2014_aarch64" if HERE.arch.name == "x86_64" else "manylinux2014_x86_64"
SIZES = {HERE.wheel_tag: 64, OTHER: 128, "win_amd64": 32}
# The file of a package is a link to the installed one, so a resolved path is that of this machine's headers.
SETUP = """\
import pathlib, sys, facts
from setuptools import Extension, setup
file = pathlib.Path(facts.__file__)
folder = (file.resolve() if sys.platform == "win32" else file).parent / "include"
macros = [("Py_LIMITED_API", "0x030b0000")]
setup(
    ext_modules=[Extension("demo", ["demo.c"], include_dirs=[str(folder)], define_macros=macros, py_limited_api=True)],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
"""
SOURCE = """\
#include <Python.h>
#include <facts/size.h>
#if defined(_WIN32)
_Static_assert(SIZE == 32, "the headers are those of another machine");
#else
_Static_assert(SIZE == 128, "the headers are those of another machine");
#endif
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "demo"};
PyMODINIT_FUNC PyInit_demo(void) { return PyModule_Create(&module); }
"""


def pack_wheels(folder: Path) -> None:
    """Write wheels of the package `facts`, whose header differs by platform."""
    folder.mkdir()
    for tag, size in SIZES.items():
        files = {
            "facts/__init__.py": "",
            "facts/include/facts/size.h": f"#define SIZE {size}\n",
            "facts-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: facts\nVersion: 1.0\n",
            "facts-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-{tag}\n",
        }
        record = "facts-1.0.dist-info/RECORD"
        files[record] = "".join(f"{name},,\n" for name in [*files, record])
        with ZipFile(folder / f"facts-1.0-py3-none-{tag}.whl", "w") as wheel:
            for name, text in files.items():
                wheel.writestr(name, text)


def write_extension(project: FixtureProject) -> str:
    """Replace the extension by one that requires `facts`, and return the setting with which pip finds its wheels."""
    pack_wheels(project.folder / "links")
    extension = project.root / "extension"
    shutil.rmtree(extension)
    extension.mkdir()
    requires = 'requires = ["setuptools", "facts==1.0"]\nbuild-backend = "setuptools.build_meta"\n'
    (extension / "pyproject.toml").write_text(
        f'[project]\nname = "demo"\nversion = "1.0"\nlicense = "MIT"\n[build-system]\n{requires}'
    )
    (extension / "setup.py").write_text(SETUP)
    (extension / "demo.c").write_text(SOURCE)
    (project.root / "pyproject.toml").write_text(
        '[tool.everywheel]\nextension = "extension"\npython = ["cp311-abi3"]\n'
    )
    return str(project.folder / "links")


def test_the_headers_of_a_build_requirement_are_those_of_the_target_or_an_error(project: FixtureProject) -> None:
    links = write_extension(project)
    targets = [arg for tag in (OTHER, "win_amd64", "musllinux_1_2_x86_64") for arg in ("--target", tag)]

    _, errors = project.run("build", *targets, exit_code=1, PIP_FIND_LINKS=links)

    names = {name.rpartition("-")[2] for name in project.wheels()}
    assert names == {f"{OTHER}.whl", "win_amd64.whl"}, errors
    reason = (
        "the package index has no wheel of facts 1.0 for musllinux_1_2_x86_64, and the headers of the installed wheel"
    )
    assert f"error: {reason} describe this machine\n" in errors
