"""Stable ABI check: runs abi3audit on the modules of a wheel that is tagged abi3 or abi3t, and adds what it does not know.

abi3audit is not started for modules whose symbols are all in the lists of abi3info, which are those that it reads: it takes
longer to start than all other checks together.
"""

from __future__ import annotations

import contextlib
import io
import json
import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from everywheel.audit.python_api import load_stable_api
from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import MAGIC, ElfFacts
from everywheel.binaries.elf_counts import check_counts
from everywheel.binaries.elf_symbols import read_symbols
from everywheel.binaries.formats import Binary
from everywheel.binaries.macho import MachoFacts
from everywheel.binaries.pe import PeFacts
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.execution.python_program import program_environment, python_program
from everywheel.execution.temporary_files import open_temporary_directory

_MAX_SYMBOLS = 8
# Symbols that are in the stable ABI with the GIL only: a PyModuleDef, which these functions take, is an object in the
# module's own memory, and code that changed the reference counts of objects in place calls the others (PEP 803).
_FUNCTIONS_WITH_LAYOUT = frozenset(
    (
        "PyModuleDef_Init",
        "PyModule_Create2",
        "PyModule_ExecDef",
        "PyModule_FromDefAndSpec2",
        "PyState_AddModule",
        "PyState_FindModule",
        "PyState_RemoveModule",
        "PyType_GetModuleByDef",
        "_Py_Dealloc",
        "_Py_NegativeRefcount",
        "_Py_RefTotal",
    )
)


def check_abi3(contents: WheelContents) -> Iterator[Finding]:
    """Find symbols that are not in the stable ABI, or newer than the Python version that the wheel is tagged for.

    In wheels for Pythons without the GIL too, these are also symbols that depend on the layout of objects with the GIL.
    """
    if not contents.is_stable_abi or not contents.modules:
        return
    if contents.is_abi3t:
        yield from _check_layout(contents)
    if all(_is_listed(contents, path) for path in contents.modules):
        return
    try:
        results = _run_abi3audit(contents)
    except ValueError as error:
        message = "abi3audit wrote no report"
        yield Finding(check="abi3", file=contents.path.name, message=message, evidence=error.args)
        return
    for path, result in results.items():
        # abi3audit 0.0.26 does not know the export hook of PEP 793.
        foreign = tuple(sorted(name for name in result["non_abi3_symbols"] if not name.startswith("PyModExport_")))
        if foreign:
            message = "uses symbols that are not in the stable ABI"
            yield Finding(check="abi3", file=path, message=message, evidence=foreign[:_MAX_SYMBOLS])
        newer = tuple(f"{name} (since {since})" for name, since in sorted(result["future_abi3_objects"].items()))
        if newer:
            message = f"needs Python {result['computed']}, but the wheel is tagged for {result['baseline']}"
            yield Finding(check="abi3", file=path, message=message, evidence=newer[:_MAX_SYMBOLS])


def _check_layout(contents: WheelContents) -> Iterator[Finding]:
    for path, binary in contents.modules.items():
        if used := sorted(_FUNCTIONS_WITH_LAYOUT & _list_imports(binary)):
            message = "uses symbols that depend on the layout of objects, which differs without the GIL"
            yield Finding(check="abi3", file=path, message=message, evidence=tuple(used[:_MAX_SYMBOLS]))


def _is_listed(contents: WheelContents, path: str) -> bool:
    """Return whether all symbols of a module for Linux are in the stable ABI of each Python that the wheel is tagged for.

    abi3audit examines both tables of symbols, except local ones and initialization functions.
    """
    data = contents.wheel.files[path].data
    if not data.startswith(MAGIC):
        return False
    try:
        elf = ELFFile(io.BytesIO(data))
        check_counts(elf, data)
        tables = [table for table in elf.iter_sections() if isinstance(table, SymbolTableSection)]
        symbols = {symbol.name for table in tables for symbol in read_symbols(elf, table, data) if not symbol.is_local}
    except (ELFError, UnreadableElf, ValueError):
        return False
    used = {name for name in symbols if name.startswith(("Py", "_Py")) and not name.startswith("PyInit_")}
    apis = [load_stable_api(tag) for tag in contents.wheel.python.split(".")]
    return bool(used) and all(api.symbols is not None and used <= api.symbols for api in apis)


def _list_imports(binary: Binary) -> frozenset[str]:
    """Return the symbols that a file of any format needs."""
    match binary:
        case ElfFacts():
            return frozenset(binary.undefined)
        case MachoFacts():
            return frozenset(symbol for image in binary.images for symbol in image.undefined)
        case PeFacts():
            return frozenset(symbol for symbols in binary.imports.values() for symbol in symbols)
    return frozenset()


def _run_abi3audit(contents: WheelContents) -> dict[str, dict[str, Any]]:
    """Return abi3audit's results by the modules' paths; raise ValueError with its last lines when one is missing.

    Its report names modules without their directories, so it examines a wheel of the same tags that has only the
    modules, with a number in each name. Of a wheel that is tagged abi3t only, it would not read the version of Python:
    both ABIs have the same symbols, so it examines this wheel as one that is tagged abi3.
    """
    names = {f"{number}-{_name_module(contents, path)}": path for number, path in enumerate(contents.modules)}
    tags = contents.wheel.abi.split(".")
    with open_temporary_directory() as directory:
        wheel = directory / (contents.path.name if "abi3" in tags else replace(contents.wheel, abi="abi3").filename)
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, path in names.items():
                archive.writestr(name, contents.wheel.files[path].data)
        report, log = directory / "report.json", directory / "log"
        # By names relative to the directory: abi3audit expands patterns, whose characters the path of TMPDIR may have.
        options = ["--strict", "--report", "--output", report.name, wheel.name]
        # The exit status is 1 both for findings and for failures of the tool itself; only the report distinguishes them.
        with contextlib.suppress(BuildError):
            run_logged(
                [*python_program("abi3audit"), *options],
                cwd=directory,
                env=program_environment("abi3audit"),
                log=log,
                label=f"{wheel.name}: abi3audit",
            )
        try:
            ((_, spec),) = json.loads(report.read_text())["specs"].items()
            results = {result["name"]: result["result"] for result in spec["wheel"]}
            return {path: results[name] for name, path in names.items()}
        except (OSError, ValueError, KeyError):
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            raise ValueError(*lines[-3:]) from None


def _name_module(contents: WheelContents, path: str) -> str:
    """Return a module's file name with the suffix by which abi3audit recognizes modules."""
    name, suffix = posixpath.basename(path), ".pyd" if path in contents.pes else ".so"
    return name if name.endswith(suffix) else f"{name}{suffix}"
