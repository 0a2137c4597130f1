"""Smoke test on the build machine: a finished wheel is installed in a clean environment, imported and used there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.markers import default_environment

from everywheel.config.project import Project
from everywheel.errors import BuildError, EverywheelError, SmokeError
from everywheel.execution.files import remove_path
from everywheel.execution.notices import report_notice
from everywheel.execution.process import run_logged
from everywheel.libraries.context import project_logs
from everywheel.smoke.dependencies import list_requirements
from everywheel.smoke.explain import first_error, quote_failure
from everywheel.smoke.imports import INSIDE, describe_failed_imports, describe_missing, list_missing
from everywheel.smoke.inside.protocol import read_imports
from everywheel.smoke.modules import list_modules
from everywheel.smoke.passed import find_local_test
from everywheel.store.local import Store
from everywheel.toolchains.virtual_env import (
    create_environment,
    ensure_environment,
    environment_identity,
    environment_python,
    install_into_environment,
    scripts_dir,
    site_packages,
)


def run_local_smoke_test(project: Project, wheel: Path, store: Store, *, offline: bool) -> str:
    """Install a wheel in a clean environment of this machine's Python, import its modules and run the smoke command.

    Returns what passed: `modules imported` or `smoke test passed`; empty if nothing was run. Nothing is run again for a wheel
    that has passed before. Raises SmokeError, with the output, when a part of it fails.
    """
    passed = find_local_test(project, wheel, store)
    if outcome := passed.read():
        return outcome
    modules = list_modules(wheel, project.smoke)
    if not modules and not project.smoke.command:
        return ""
    log = project_logs(store, project) / f"smoke-{wheel.stem}.log"
    remove_path(log)
    try:
        dependencies = _install_dependencies(project, wheel, store, offline)
    except EverywheelError as error:
        if project.smoke.command:
            raise
        report_notice(f"{wheel.name} was not imported: {error.fact}")
        return ""
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
        test = _LocalTest(folder=Path(folder), wheel=wheel, log=log)
        test.install(dependencies)
        if modules:
            test.import_modules(modules)
        if project.smoke.command:
            test.run_command(project)
    return passed.record("smoke test passed" if project.smoke.command else "modules imported")


@dataclass(frozen=True, slots=True, kw_only=True)
class _LocalTest:
    """A wheel in a new environment in `folder`; each method raises SmokeError when it fails."""

    folder: Path
    wheel: Path
    log: Path

    @property
    def environment(self) -> Path:
        return self.folder / "environment"

    def install(self, dependencies: Sequence[Path]) -> None:
        """Install the wheel next to its requirements, which are in other folders."""
        try:
            create_environment(self.environment, label=self.wheel.name, log=self.log)
            paths = "".join(f"{path}\n" for path in dependencies)
            (site_packages(self.environment) / "dependencies.pth").write_text(paths)
            # From a copy: pip reads a path with certain characters as a requirement.
            copy = str(shutil.copyfile(self.wheel, self.folder / self.wheel.name))
            options = ["--no-deps", "--no-index", copy]
            install_into_environment(self.environment, options, label=self.wheel.name, log=self.log)
        except BuildError as error:
            raise self._fail(f"{self.wheel.name} cannot be installed on this machine", error) from None

    def import_modules(self, modules: Sequence[str]) -> None:
        """Import the modules in an empty directory; report those that require a package that is not installed."""
        imports, empty = self.folder / "imports.json", self.folder / "empty"
        empty.mkdir()
        try:
            self._run([environment_python(self.environment), INSIDE / "import_modules.py", imports, *modules], empty)
        except BuildError as error:
            fact = error.fact
            cause = describe_failed_imports(read_imports(imports), lambda text: first_error(text) or fact)
            raise self._fail(f"{self.wheel.name} does not work on this machine: {cause}", error) from None
        if missing := list_missing(read_imports(imports)):
            report_notice(f"{self.wheel.name}: not imported: {describe_missing(missing)}")

    def run_command(self, project: Project) -> None:
        """Run the smoke command in the project's root."""
        program, *args = project.smoke.command
        try:
            self._run([scripts_dir(self.environment) / program, *args], project.root)
        except BuildError as error:
            raise self._fail(f"{self.wheel.name} does not work on this machine", error) from None

    def _run(self, command: Sequence[str | Path], cwd: Path) -> None:
        # The build machine's own library paths would hide that a library is missing in the wheel.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "PYTHON", "VIRTUAL_ENV"))}
        environment = {
            **kept,
            "PATH": os.pathsep.join((str(scripts_dir(self.environment)), os.environ.get("PATH", ""))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",
            "PYTHONPATH": str(INSIDE / "site"),
            "EVERYWHEEL_SITE": str(site_packages(self.environment)),
        }
        run_logged(command, cwd=cwd, env=environment, log=self.log, label=self.wheel.name, quote=quote_failure)

    def _fail(self, fact: str, error: BuildError) -> SmokeError:
        return SmokeError(fact, details=error.details, excerpt=error.excerpt, log=self.log)


def _install_dependencies(project: Project, wheel: Path, store: Store, offline: bool) -> list[Path]:
    """Return the folders with the requirements of the smoke command and of the wheel, installed once for all wheels."""
    folders = []
    for requires, owner in (
        (sorted(project.smoke.requires), f"smoke requirements of {project.name}"),
        (list_requirements(wheel, _describe_machine()), f"requirements of {wheel.name}"),
    ):
        if requires:
            environment = ensure_environment(
                store.root / "tools" / f"smoke-{environment_identity(' '.join(requires), store.root)}",
                requires,
                label=owner,
                log=project_logs(store, project) / "smoke.log",
                offline=offline,
            )
            folders.append(site_packages(environment))
    return folders


def _describe_machine() -> dict[str, str]:
    """Return the environment of markers of the running Python, without extras."""
    return {"extra": "", **{name: str(value) for name, value in default_environment().items()}}
