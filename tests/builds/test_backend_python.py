"""A build backend that runs with the version of CPython that its wheel is for."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest
from everywheel.binaries.formats import read_binary
from everywheel.platforms.target import OPERATING_SYSTEMS
from everywheel.toolchains.interpreters import find_interpreter
from test_backends import run

# The running Python writes a file of its own version, which the code of a project does not see in `sys.version_info`.
SETUP = """
import importlib.util, json, sys, sysconfig
from setuptools import Extension, setup
magic = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
facts = {"magic": magic, "seen": list(sys.version_info[:2]), "suffix": sysconfig.get_config_var("EXT_SUFFIX")}
open("demo/facts.json", "w").write(json.dumps(facts))
setup(packages=["demo"], package_data={"demo": ["facts.json"]}, ext_modules=[Extension("demo.empty", ["empty.c"])])
"""
MODULE = """
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "empty"};
PyMODINIT_FUNC PyInit_empty(void) { return PyModule_Create(&definition); }
"""
MAGIC = {"3.9": 3425, "3.10": 3439, "3.11": 3495, "3.12": 3531, "3.13": 3571}
"""The first number of bytecode files by version."""


def find_other() -> tuple[str, Path]:
    """Return the version and the program of a CPython that is not the running one."""
    for version in (version for version in MAGIC if version != f"3.{sys.version_info.minor}"):
        for program in Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"):
            return version, program
        if program := find_interpreter(version):
            return version, program
    pytest.skip("this machine has one version of CPython")


def test_the_backend_of_each_wheel_runs_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version, program = find_other()
    own = f"3.{sys.version_info.minor}"
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "__init__.py").touch()
    (tmp_path / "setup.py").write_text(SETUP)
    (tmp_path / "empty.c").write_text(MODULE)
    tags = [f"cp{text.replace('.', '')}" for text in (version, own)]
    (tmp_path / "everywheel.toml").write_text(f'python = {json.dumps(tags)}\nbackend-python = "same"\n')
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = demo\nversion = 1.0\nlicense = MIT\n")

    run(tmp_path, "build", "-t", "manylinux2014_aarch64")

    for text, tag in zip((version, own), tags, strict=True):
        suffix = f".cpython-{tag.removeprefix('cp')}-aarch64-linux-gnu.so"
        with zipfile.ZipFile(tmp_path / "wheelhouse" / f"demo-1.0-{tag}-{tag}-manylinux2014_aarch64.whl") as wheel:
            facts = json.loads(wheel.read("demo/facts.json"))
            module = read_binary("empty.so", wheel.read(f"demo/empty{suffix}"), tuple(OPERATING_SYSTEMS))
        assert facts == {"magic": MAGIC[text], "seen": [*map(int, text.split("."))], "suffix": suffix}
        assert module is not None
        assert (module.machine, module.exports) == ("EM_AARCH64", ("PyInit_empty",))
