"""Smoke test on the build machine: install a finished wheel in a clean environment and run the smoke command."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.project import Project
from everywheel.errors import BuildError, SmokeError
from everywheel.execution.files import hash_file, remove_path
from everywheel.execution.process import run_logged
from everywheel.libraries.context import project_logs
from everywheel.smoke.explain import quote_failure
from everywheel.store.local import Store
from everywheel.toolchains.virtual_env import (
    create_environment,
    ensure_environment,
    environment_identity,
    install_into_environment,
    scripts_dir,
    site_packages,
)


def run_local_smoke_test(project: Project, wheel: Path, store: Store, *, offline: bool) -> bool:
    """Install a wheel in a clean environment of this machine's Python and run the project's smoke command with it.

    Returns False if nothing was run: the project has no smoke command, or the same wheel has passed before. Raises
    SmokeError with the command's output when it fails.
    """
    if not project.smoke.command:
        return False
    stamp = store.root / "smoke" / _identity(project, wheel)
    if stamp.exists():
        return False
    log = project_logs(store, project) / f"smoke-{wheel.stem}.log"
    remove_path(log)
    dependencies = _install_dependencies(project, store, offline)
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
        environment = Path(folder) / "environment"
        try:
            create_environment(environment, label=wheel.name, log=log)
            (site_packages(environment) / "dependencies.pth").write_text("".join(f"{path}\n" for path in dependencies))
            # From a copy: pip reads a path with certain characters as a requirement.
            copy = str(shutil.copyfile(wheel, Path(folder) / wheel.name))
            options = ["--no-index"] if offline else []
            install_into_environment(environment, [*options, copy], label=wheel.name, log=log)
            run_logged(
                [scripts_dir(environment) / project.smoke.command[0], *project.smoke.command[1:]],
                cwd=project.root,
                env=_make_environment(environment),
                log=log,
                label=wheel.name,
                quote=quote_failure,
            )
        except BuildError as error:
            raise SmokeError(
                f"{wheel.name} does not work on this machine", details=error.details, excerpt=error.excerpt, log=log
            ) from None
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text("")
    return True


def _install_dependencies(project: Project, store: Store, offline: bool) -> list[Path]:
    """Return the folders with the requirements of the smoke command, installed once for all wheels."""
    requires = sorted(project.smoke.requires)
    if not requires:
        return []
    environment = ensure_environment(
        store.root / "tools" / f"smoke-{environment_identity(' '.join(requires), store.root)}",
        requires,
        label=f"smoke requirements of {project.name}",
        log=project_logs(store, project) / "smoke.log",
        offline=offline,
    )
    return [site_packages(environment)]


def _identity(project: Project, wheel: Path) -> str:
    facts = [hash_file(wheel), project.digest, repr(project.smoke), sys.version]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _make_environment(environment: Path) -> Mapping[str, str]:
    # The build machine's own library paths would hide that a library is missing in the wheel.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "PYTHON", "VIRTUAL_ENV"))}
    path = os.pathsep.join((str(scripts_dir(environment)), os.environ.get("PATH", "")))
    return {**kept, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
