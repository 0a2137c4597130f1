"""Calls of an extension's build backend (PEP 517) in a prepared environment that cross-compiles."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyproject_hooks import BuildBackendHookCaller

from everywheel.config.build_backend import BuildBackend
from everywheel.config.extension_tree import extension_files
from everywheel.config.recipe import Linkage
from everywheel.errors import BuildError, UsageError
from everywheel.execution.input_files import read_file
from everywheel.execution.process import run_logged
from everywheel.platforms.target import Target
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.backend_output import check_backend, log_warnings
from everywheel.wheels.backend_settings import Settings, choose_settings
from everywheel.wheels.target_folder import TargetFolder
from everywheel.wheels.target_python import TargetPython

_LARGEST_METADATA = 1 << 22  # bytes; it contains the readme


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCall:
    """The inputs of a call to a build backend.

    `source` is a copy of the extension in `workspace`, which also receives all results. `interpreter` is the Python of an
    environment with the build requirements, `python` describes the Python that the extension is built for, and `folder` is
    its replacement on the build machine, or None if the build machine cannot run its program. `environment`
    contains all variables of the backend's process (PATH, CC, PKG_CONFIG and so on); `settings` are the config settings of
    the project, `module_exports` are globs of the symbols that its modules may export, and `data` are files and folders of
    the prefix that are part of the wheel, by their paths in it.
    """

    target: Target
    backend: BuildBackend
    linkage: Linkage = Linkage.SHARED
    source: Path
    workspace: Path
    interpreter: Path
    python: TargetPython
    folder: TargetFolder | None = None
    toolchain: Toolchain
    environment: Mapping[str, str]
    log: Path
    label: str
    settings: Settings = field(default_factory=dict)
    module_exports: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)


def copy_extension(extension: Path, copy: Path) -> Path:
    """Replace the directory `copy` by a copy of an extension, without links and with modes 0755 or 0644, and return it."""
    shutil.rmtree(copy, ignore_errors=True)
    for file in extension_files(extension):
        destination = copy / file.name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, destination)
        destination.chmod(0o755 if file.executable else 0o644)
    return copy


def query_requirements(
    backend: BuildBackend, source: Path, python: Path, environment: Mapping[str, str], log: Path, label: str
) -> tuple[str, ...]:
    """Return the requirements that a backend adds for wheels and sdists of the extension in `source`, without a target.

    `python` has the static requirements, `environment` all variables of the backend's process. Raises BuildError when the
    backend fails, UsageError for a backend-path outside the project.
    """

    def run_hook(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        run_logged(
            cmd, cwd=source, env={**environment, **(extra_environ or {})}, log=log, label=f"{label}: {backend.name}"
        )

    hooks = _call_hooks(backend, source, python, run_hook, log, label)
    return (*hooks.get_requires_for_build_wheel({}), *hooks.get_requires_for_build_sdist({}))


def prepare_metadata(
    backend: BuildBackend, source: Path, python: Path, environment: Mapping[str, str], *, log: Path, label: str
) -> bytes:
    """Return the content of the METADATA that a backend determines for a wheel of the extension in `source`.

    A backend without the hook builds a wheel for it (PEP 517). Raises BuildError when the backend fails.
    """

    def run_hook(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        variables = {**environment, **(extra_environ or {})}
        run_logged(cmd, cwd=source, env=variables, log=log, label=f"{label}: {backend.name}")

    hooks = _call_hooks(backend, source, python, run_hook, log, label)
    folder = source.parent / f"{source.name}-metadata"
    folder.mkdir()
    name = hooks.prepare_metadata_for_build_wheel(str(folder), {})
    return read_file(folder / name / "METADATA", _LARGEST_METADATA)


def query_wheel_requirements(call: BackendCall) -> tuple[str, ...]:
    """Return the dynamic requirements of the backend; its static requirements must already be installed.

    Raises BuildError when the backend fails, UsageError when [build-system] is invalid.
    """
    return tuple(make_hooks(call).get_requires_for_build_wheel(settings_for(call)))


def build_extension_wheel(call: BackendCall) -> Path:
    """Build the wheel and return its path; its tags are those that the backend chose.

    Raises BuildError when the backend fails, UsageError when [build-system] is invalid.
    """
    results = call.workspace / "dist"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    return find_result(call, results, make_hooks(call).build_wheel(str(results), settings_for(call)))


def find_result(call: BackendCall, results: Path, name: object) -> Path:
    """Return the file in `results` that a backend has built; raise BuildError when there is no such file."""
    path = results / str(name)
    if path.parent != results or path.is_symlink() or not path.is_file():
        raise BuildError(
            f"{call.label}: the backend {call.backend.name} did not build the file that it names",
            details={"name": repr(name)},
            log=call.log,
            hint="a backend returns the name of a file in the folder that it is given (PEP 517)",
        )
    return path


def make_hooks(call: BackendCall) -> BuildBackendHookCaller:
    """Return the backend's hooks, each of which runs as a logged command in the copy of the extension.

    Raises UsageError for a backend-path outside the project.
    """

    def run_hook(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        run_logged(
            cmd,
            cwd=Path(cwd) if cwd else call.source,
            env={**_platform_variables(call.target), **call.environment, **(extra_environ or {})},
            log=call.log,
            label=f"{call.label}: {call.backend.name}",
        )

    return _call_hooks(call.backend, call.source, call.interpreter, run_hook, call.log, call.label)


def _call_hooks(
    backend: BuildBackend, source: Path, python: Path, run_hook: Callable[..., None], log: Path, label: str
) -> BuildBackendHookCaller:
    def run(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        run_hook(cmd, cwd, extra_environ)
        log_warnings(cmd, log, f"{label}: {backend.name}")
        check_backend(cmd, backend.name, label)

    try:
        return BuildBackendHookCaller(str(source), backend.name, backend.path or None, run, str(python))
    except ValueError as error:
        raise UsageError(f"{label}: [build-system] of its pyproject.toml: {error}") from None


def settings_for(call: BackendCall) -> Settings:
    """Return the config settings of a call: those that the target requires, then the project's own."""
    return choose_settings(call.backend, call.python, call.toolchain, call.workspace, call.settings, call.folder)


def _platform_variables(target: Target) -> dict[str, str]:
    """Return the variables that describe the target to backends.

    setuptools and sysconfig read the platform's name from _PYTHON_HOST_PLATFORM; meson-python reads the version of macOS
    from MACOSX_DEPLOYMENT_TARGET, as do Apple's compilers.
    """
    version = {"MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, target.os_version))}
    return {"_PYTHON_HOST_PLATFORM": target.python_platform, **(version if target.os == "darwin" else {})}
