"""Program that imports extension modules, as the first part of a smoke test; requires only Python.

The arguments are the file for the results (`protocol.ImportResult`) and the names of the modules. The exit code is 1 if a
module cannot be imported for another reason than a package that is not installed, or if none can be imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everywheel.smoke.inside.protocol import ImportResult, write_imports
else:
    # By its path, and under a name of its own: the wheel may have a `protocol` too, and must not find files of this folder.
    spec = importlib.util.spec_from_file_location("everywheel_protocol", Path(__file__).with_name("protocol.py"))
    protocol = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(protocol)
    ImportResult, write_imports = protocol.ImportResult, protocol.write_imports
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [folder for folder in sys.path if folder and str(Path(folder).resolve()) != here]


def import_module(name: str) -> ImportResult:
    """Import one module; print the traceback if that fails."""
    try:
        importlib.import_module(name)
    except BaseException as error:  # a module may raise anything, also SystemExit
        traceback.print_exc()
        line = traceback.format_exception_only(type(error), error)[-1].strip()
        return ImportResult(module=name, error=line, missing=find_missing_package(error))
    print(f"imported {name}", flush=True)
    return ImportResult(module=name)


def find_missing_package(error: BaseException) -> str:
    """Return the name of the top-level module that an import failed for because it is not installed, else an empty string.

    An extension module of the interpreter itself is not installed completely if a library that it needs is missing.
    """
    if isinstance(error, ImportError) and error.name and error.path and is_interpreter_file(Path(error.path)):
        return error.name.partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    package = error.name.partition(".")[0]
    return "" if importlib.util.find_spec(package) is not None else package


def is_interpreter_file(path: Path) -> bool:
    """Return whether a file belongs to the standard library, which may be in one folder with installed packages."""
    folders = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
    return any(path.is_relative_to(folder) for folder in folders) and "site-packages" not in path.parts


def main(file: Path, names: list[str]) -> int:
    results: list[ImportResult] = []
    for name in names:
        # This remains if the process crashes.
        write_imports(file, [*results, ImportResult(module=name, error="the process ended while it was imported")])
        results.append(import_module(name))
        write_imports(file, results)
    failed = any(result.error and not result.missing for result in results)
    return int(failed or all(result.error for result in results))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
