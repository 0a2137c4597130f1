"""Imports of a wheel on the build machine with other Pythons: of another version, with QEMU, or with musl next to glibc.

This requires no container and downloads no system. A wheel for this machine is imported with a CPython of its version that is
on PATH; others with a portable interpreter that an earlier smoke test put into the store, and the C library of the target on
this machine (Debian: `libc6-arm64-cross`, `musl`). Without them, nothing is run.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.project import Project
from everywheel.errors import BuildError, SmokeError
from everywheel.execution.files import remove_path
from everywheel.execution.notices import report_notice
from everywheel.execution.process import run_command, run_logged
from everywheel.libraries.context import project_logs
from everywheel.platforms.linux_policy import load_policy
from everywheel.platforms.target import Target
from everywheel.smoke.dependencies import list_requirements, make_marker_environment
from everywheel.smoke.explain import first_error, quote_failure
from everywheel.smoke.foreign_python import ForeignPython, find_foreign_python
from everywheel.smoke.imports import INSIDE, describe_failed_imports, describe_missing, list_missing
from everywheel.smoke.inside.protocol import ImportResult, read_imports
from everywheel.smoke.installed_python import find_installed_python
from everywheel.smoke.modules import list_modules
from everywheel.smoke.passed import find_foreign_test, find_installed_test
from everywheel.store.local import Store
from everywheel.toolchains.pip import install_wheels, platform_tags

# What the loaders of glibc and musl write.
_MISSING_LIBRARY = re.compile(
    r"(?P<glibc>[\w.+-]+): cannot open shared object file|Error loading shared library (?P<musl>[\w.+-]+): No such file"
)


def import_foreign_modules(project: Project, wheel: Path, target: Target, store: Store, *, offline: bool) -> str:
    """Import a wheel's modules with an interpreter of its target, and return what was tested: `modules imported under QEMU`.

    The result is empty if nothing could be run. A wheel that has passed before is not run again. Raises SmokeError, with
    the output, when a module cannot be imported.
    """
    python = find_foreign_python(target, wheel, store)
    if python is None:
        return ""
    passed = find_foreign_test(project, wheel, python, store)
    if outcome := passed.read():
        return outcome
    if not _run_imports(project, wheel, target, python, store, offline=offline):
        return ""
    return passed.record(f"modules imported {'under QEMU' if python.emulator else f'with {target.libc}'}")


def import_with_installed_python(project: Project, wheel: Path, target: Target, store: Store, *, offline: bool) -> str:
    """Import the modules of a wheel for this machine with an installed CPython of its version, and return what was tested.

    Results and errors are those of `import_foreign_modules`.
    """
    passed = find_installed_test(project, wheel, store)
    if outcome := passed.read():
        return outcome
    python = find_installed_python(target, wheel)
    if python is None or not _run_imports(project, wheel, target, python, store, offline=offline):
        return ""
    return passed.record(f"modules imported with CPython {python.version}")


def _run_imports(
    project: Project, wheel: Path, target: Target, python: ForeignPython, store: Store, *, offline: bool
) -> bool:
    """Import a wheel's modules, if it has any and the interpreter runs; return whether they were imported."""
    modules = list_modules(wheel, project.smoke)
    if not modules or run_command([*python.command, "-c", ""], env=python.environment).exit_code != 0:
        return False  # the C library on this machine may be too old for the interpreter
    log = project_logs(store, project) / f"smoke-{wheel.stem}.log"
    remove_path(log)
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
        try:
            _install(wheel, target, python, Path(folder), log, offline=offline)
        except BuildError as error:
            report_notice(f"{wheel.name} was not imported: {error.fact}")
            return False
        return _import(wheel, modules, target, python, Path(folder), log)


def _install(wheel: Path, target: Target, python: ForeignPython, folder: Path, log: Path, *, offline: bool) -> None:
    def install(arguments: Sequence[str]) -> None:
        tags = platform_tags(target, target.libc_version)
        # pip derives the ABI of an interpreter with a GIL from its version.
        abi = ["--abi", f"cp{python.version.replace('.', '')}"] if python.version != python.release else []
        install_wheels(
            [*abi, *arguments], folder / "site", platforms=tags, python=python.release, label=wheel.name, log=log
        )

    install(["--no-deps", "--no-index", str(shutil.copyfile(wheel, folder / wheel.name))])
    if requires := list_requirements(wheel, make_marker_environment(target, python.release)):
        install([*(["--no-index"] if offline else []), *requires])


def _import(
    wheel: Path, modules: tuple[str, ...], target: Target, python: ForeignPython, folder: Path, log: Path
) -> bool:
    """Import modules; return False if a library is missing here that each system of the wheel's tag has."""
    imports, empty = folder / "imports.json", folder / "empty"
    empty.mkdir()
    environment = {
        **python.environment,
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join(map(str, (folder / "site", INSIDE / "site"))),
        "PYTHONSAFEPATH": "1",
        "EVERYWHEEL_SITE": str(folder / "site"),
    }
    command: list[str | Path] = [*python.command, INSIDE / "import_modules.py", imports, *modules]
    try:
        run_logged(command, cwd=empty, env=environment, log=log, label=wheel.name, quote=quote_failure)
    except BuildError as error:
        results, fact = read_imports(imports), error.fact
        if library := _find_missing_system_library(results, target):
            report_notice(
                f"{wheel.name} was not imported: {python.root} has no {library}, which every system has that its tag claims"
            )
            return False
        cause = describe_failed_imports(results, lambda text: first_error(text) or fact)
        raise SmokeError(
            f"{wheel.name} does not work with Python {python.version}: {cause}",
            details=error.details,
            excerpt=error.excerpt,
            log=log,
        ) from None
    if missing := list_missing(read_imports(imports)):
        report_notice(f"{wheel.name}: not imported: {describe_missing(missing)}")
    return True


def _find_missing_system_library(results: Sequence[ImportResult], target: Target) -> str:
    """Return a library of the system that the root directory does not have, if the failed imports have no other cause.

    The C library of a target that Debian's packages for cross-compilation install comes without those of the compiler.
    """
    policy = load_policy(target.wheel_tag)
    messages = [_MISSING_LIBRARY.search(result.error) for result in results if result.error and not result.missing]
    names = [match["glibc"] or match["musl"] if match else "" for match in messages]
    return names[0] if names and policy and all(policy.provides(name) for name in names) else ""
