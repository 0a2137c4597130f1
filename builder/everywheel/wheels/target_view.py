"""Shows a project's own code the Python and the machine that an extension is built for, instead of those that run it.

A `setup.py` reads `sys.platform`, `sys.version_info` or `platform.machine()` to choose sources, macros and libraries. While an
extension is built for another system, such values must be those of the target, but only for the project: the standard
library would call functions of an operating system that it does not run on, and build backends would choose compilers by
it. So the attributes are properties here, which return a value by the file that reads them.

The file is copied as `sitecustomize.py` into a directory of PYTHONPATH, next to `target.json`, which `target_folder` writes.
It imports only the standard library, since its Python does not have the package.
"""

from __future__ import annotations

import collections
import importlib.machinery
import json
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# Modules of build requirements that also get a value of the target, by the end or a part of their path.
_READERS: tuple[tuple[str, frozenset[str]], ...] = (
    # The tags of a wheel contain the target's Python.
    ("/packaging/tags.py", frozenset({"version_info"})),
    ("/mesonpy/_tags.py", frozenset({"version_info"})),
    # It is compared with `requires-python`.
    ("/mesonpy/__init__.py", frozenset({"python_version"})),
    ("/scikit_build_core/builder/", frozenset({"version_info"})),
    ("/scikit_build_core/build/", frozenset({"version_info"})),
    # cffi knows the types of Windows (`DWORD`) only there.
    ("/cffi/commontypes.py", frozenset({"platform"})),
)
_Facts = dict[str, Any]


class _View:
    """Decides by the file of a function that reads a value whether it gets that of the target."""

    def __init__(self, source: str) -> None:
        self.sources = tuple(f"{path}/" for path in (source, os.path.realpath(source)) if source)

    def is_reader(self, name: str, depth: int = 2) -> bool:
        """Return whether the function `depth` calls above reads the target's value of `name`."""
        file = sys._getframe(depth).f_code.co_filename
        if file.startswith("<"):
            # Code without a file: a setup.py, which backends execute, or the argument of `python -c`.
            return file == "<string>" and bool(self.sources)
        if self.sources and (not file.startswith("/") or file.startswith(self.sources)):
            return True
        return any(part in file and name in names for part, names in _READERS)


def _make_property(shown: ModuleType, view: _View, name: str, value: object) -> property:
    # `type(sys)` is the type of other modules, too: these have attributes of the same names.
    def read(module: ModuleType) -> object:
        if module is shown and view.is_reader(name):
            return value
        try:
            return module.__dict__[name]
        except KeyError:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}") from None

    def write(module: ModuleType, new: object) -> None:
        module.__dict__[name] = new

    def delete(module: ModuleType) -> None:
        del module.__dict__[name]

    return property(read, write, delete)


def _show(module: ModuleType, view: _View, values: _Facts) -> None:
    """Replace attributes of a module by properties."""
    properties = {name: _make_property(module, view, name, value) for name, value in values.items()}
    module.__class__ = type("TargetModule", (ModuleType,), properties)


def _replace(module: ModuleType, view: _View, name: str, answer: Callable[..., object]) -> None:
    """Replace a function of a module by one that returns `answer(…)` to readers of the target's values."""
    original = getattr(module, name)

    def replacement(*args: Any, **kwargs: Any) -> object:
        return (answer if view.is_reader(name) else original)(*args, **kwargs)

    setattr(module, name, replacement)


def show_target(facts: _Facts) -> None:
    """Show the target to the code of the project, and the target's headers to everybody."""
    view = _View(facts["source"])
    version_info = type(sys.version_info)
    sys_values = {**facts["sys"], "version_info": _make_version(facts["sys"]["version_info"], version_info)}
    if facts["sys"]["platform"] == "win32":
        windows = collections.namedtuple("windows", "major minor build platform service_pack")
        sys_values["getwindowsversion"] = lambda: windows(10, 0, 17763, 2, "")
    machine, system = facts["machine"], facts["system"]
    uname = os.uname_result((system, "localhost", facts["release"], "", machine))
    importlib._bootstrap._new_module = ModuleType  # type: ignore[attr-defined]  # it would take the type of `sys`
    _show(sys, view, sys_values)
    _show(os, view, {"name": "nt" if system == "Windows" else "posix", "uname": lambda: uname})
    answers: dict[str, Callable[..., object]] = {
        "machine": lambda: machine,
        "processor": lambda: machine,
        "system": lambda: system,
        "release": lambda: facts["release"],
        "architecture": lambda *_args, **_kwargs: (f"{facts['bits']}bit", ""),
        "python_version": lambda: facts["version"],
        "python_version_tuple": lambda: tuple(facts["version"].split(".")),
        "mac_ver": lambda *_args, **_kwargs: (facts["macos"], ("", "", ""), machine if facts["macos"] else ""),
    }
    for name, answer in answers.items():
        _replace(platform, view, name, answer)
    _replace(platform, view, "uname", lambda: platform.uname_result(system, "localhost", facts["release"], "", machine))
    calcsize = struct.calcsize
    _replace(struct, view, "calcsize", lambda text: facts["bits"] // 8 if text in ("P", b"P") else calcsize(text))
    importlib.machinery.EXTENSION_SUFFIXES[:] = facts["suffixes"]
    # The folder of this file has an `include`, whose content is that of the target's headers.
    folder = {name: str(Path(__file__).parent) for name in ("installed_base", "installed_platbase")}
    sysconfig.get_config_vars().update(folder)


def _make_version(numbers: list[Any], kind: type[Any]) -> object:
    """Return a named tuple like `sys.version_info`, whose own type cannot be called."""
    fields = ("major", "minor", "micro", "releaselevel", "serial")
    return collections.namedtuple(kind.__name__, fields)(*numbers)


def main() -> None:
    """Show the target in the environment of the build requirements; do not change any other Python."""
    facts = json.loads(Path(__file__).with_name("target.json").read_text(encoding="utf-8"))
    if os.path.realpath(sys.prefix) == os.path.realpath(facts["prefix"]):
        show_target(facts)


if __name__ == "sitecustomize":
    main()
