"""The environment of an extension's build: prefix, compilers, build requirements and the call of the backend."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from everywheel.config.extension_tree import digest_tree
from everywheel.config.project import Project
from everywheel.config.recipe import Linkage, Optimize
from everywheel.errors import BuildError
from everywheel.execution.files import remove_path
from everywheel.execution.process import join_windows_args
from everywheel.libraries.context import BuildContext
from everywheel.planning.steps import LibraryStep, Plan, WheelStep
from everywheel.toolchains.compiler_arguments import report_arguments
from everywheel.toolchains.toolchain import Toolchain, ToolchainOptions
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.wheels.backend_settings import BackendFamily, find_family
from everywheel.wheels.build_lock import check_requirements
from everywheel.wheels.failure_hints import explain_failure
from everywheel.wheels.git_checkout import add_git_to_path, copy_checkout
from everywheel.wheels.import_libraries import add_import_names, drop_module_imports
from everywheel.wheels.linked_archives import record_links
from everywheel.wheels.meson_program import write_meson_program
from everywheel.wheels.missing_extensions import check_extensions
from everywheel.wheels.neutral_paths import replace_build_paths
from everywheel.wheels.pep517 import BackendCall, build_extension_wheel, query_wheel_requirements
from everywheel.wheels.project_values import add_environment, list_config_settings
from everywheel.wheels.requirement_resolver import ensure_build_environment
from everywheel.wheels.system_linkage import check_system_linkage, drop_libraries
from everywheel.wheels.target_folder import TargetFolder, write_target_folder
from everywheel.wheels.target_packages import write_target_packages
from everywheel.wheels.target_python import TargetPython, list_module_exports, parse_python_version
from everywheel.wheels.target_sysconfig import PYTHON_FLAGS, SHARED_FLAGS


def prepare_call(context: BuildContext, step: WheelStep, plan: Plan, project: Project) -> BackendCall:
    """Create a wheel's workspace and the environment of its build.

    The workspace contains the prefix, the toolchain and a copy of the extension. Raises BuildError when the extension has
    changed since the plan was made, or when a build requirement cannot be installed.
    """
    project = project.for_target(step.target).for_python(step.python)
    log = context.log(step)
    remove_path(log)
    workspace, toolchain = prepare_workspace(context, step, plan, project)
    source = copy_checkout(project, workspace / "source", step.label)
    if digest_tree(source) != project.digest:
        raise BuildError(f"{step.label}: the extension was changed while the build ran", hint="run the build again")
    prefix = workspace / "prefix"
    python = TargetPython(
        target=step.target,
        version=parse_python_version(project.recipes[step.python.headers].version),
        prefix=prefix,
        limited_api=step.python.limited_api,
        free_threaded=step.python.free_threaded,
        abi3t="abi3t" in step.python.abi.split("."),
    )
    interpreter = ensure_build_environment(project, context.store, offline=context.offline)
    family, folder = find_family(project.backend), None
    if not toolchain.suffix:  # scripts, which the build machine can start
        write_target_packages(interpreter, workspace, project.build_pins or (), step.target, context)
        folder = _write_programs(project, family, python, toolchain, interpreter, workspace)
    if step.target.os == "windows" and family is BackendFamily.OTHER:
        add_import_names(prefix)
    variables = {**backend_variables(family, toolchain, python, folder, interpreter), **context.environment}
    variables["PATH"] = add_git_to_path(variables["PATH"], project, workspace)
    return BackendCall(
        target=step.target,
        backend=project.backend,
        linkage=project.linkage,
        source=source,
        workspace=workspace,
        interpreter=interpreter,
        python=python,
        folder=folder,
        toolchain=toolchain,
        environment=add_environment(variables, project, prefix=prefix, source=source),
        log=log,
        label=f"{project.name} {project.version} for {step.target.tag}",
        settings=list_config_settings(project, prefix=prefix, source=source),
        module_exports=list_module_exports(project),
        data=project.data,
    )


def _write_programs(
    project: Project,
    family: BackendFamily,
    python: TargetPython,
    toolchain: Toolchain,
    interpreter: Path,
    workspace: Path,
) -> TargetFolder:
    """Write the programs for a backend that replace others of the build machine, and what they read."""
    record_links(toolchain)
    is_meson = family is BackendFamily.MESON  # a project's own Meson runs on the build machine
    if is_meson:
        write_meson_program(toolchain.program("cc").parent, interpreter, project.build_pins or ())
    return write_target_folder(python, toolchain, interpreter, workspace, show_project=not is_meson)


def prepare_workspace(context: BuildContext, step: WheelStep, plan: Plan, project: Project) -> tuple[Path, Toolchain]:
    """Create a wheel's workspace with the target's prefix and the toolchain for the extension.

    Raises MachineError when an artifact is missing or damaged.
    """
    workspace = context.open_workspace(step, plan)
    libraries = [plan.libraries[id] for id in step.link]
    # A shared library contains its requirements, which must not be linked again; those of an archive must be linked.
    has_shared = any(library.recipe.linkage is Linkage.SHARED for library in libraries)
    options = ToolchainOptions(
        optimize=Optimize.SPEED,
        # A module must not export the symbols of the archives in it, the C++ library's included: other libraries in the
        # process could bind to them.
        exports=list_module_exports(project),
        exports_of_modules=True,
        debug_data=step.debug_data,
        debug_source=step.debug_source,
        static_pkgconfig=not has_shared,
    )
    compilers = context.engine.compilers(step.target)
    toolchain = write_toolchain(step.target, compilers, context.tools, workspace, options)
    remove_bundled_archives(plan, libraries, workspace / "prefix", keep=project.requires)
    return workspace, toolchain


def remove_bundled_archives(
    plan: Plan, libraries: Sequence[LibraryStep], prefix: Path, *, keep: Collection[str]
) -> None:
    """Remove archives that a shared library in the same prefix contains, so that they are not linked a second time.

    The libraries in `keep` are those that the extension itself is linked to.
    """
    shared = [library for library in libraries if library.recipe.linkage is Linkage.SHARED]
    bundled = {id for library in shared for id in library.link}
    for recipe in (plan.libraries[id].recipe for id in bundled):
        if recipe.linkage is Linkage.STATIC and recipe.name not in keep:
            for name in recipe.products.libraries:
                (prefix / "lib" / f"lib{name}.a").unlink(missing_ok=True)


def build_extension(call: BackendCall, project: Project, store: Path) -> Path:
    """Build the extension's wheel, and return its path.

    With the linkage `system`, the libraries are removed from the prefix first. `store` is the store's directory, which no
    file of the wheel may name. Raises BuildError when the backend fails, requires a package that is not pinned or builds no
    extension module, or when the wheel contains or links a library that it must open at run time.
    """
    symbols = drop_libraries(call.python.prefix) if call.linkage is Linkage.SYSTEM else None
    try:
        check_requirements(project, query_wheel_requirements(call))
        with report_arguments(call.toolchain, call.log, call.label):
            built = build_extension_wheel(call)
        check_extensions(built, call.target, call.source, call.log, call.label)
    except BuildError as error:
        if error.hint is None and symbols is not None:
            error.hint = "linkage is system: the prefix has headers and pkg-config files, but no library to link"
        explain_failure(error, project.extension, call.target)
        raise
    if symbols is not None:
        check_system_linkage(built, symbols, call.label)
    if call.target.os == "windows":
        built = drop_module_imports(built)
    return replace_build_paths(built, call.workspace, store, call.label)


def backend_variables(
    family: BackendFamily, toolchain: Toolchain, python: TargetPython, folder: TargetFolder | None, interpreter: Path
) -> dict[str, str]:
    """Return all environment variables of a backend's process but those of the job server.

    The programs of the build requirements come before the build tools: a project may pin a CMake of its own (PEP 517).
    """
    own_search, *search = toolchain.environment["PATH"].split(os.pathsep)
    has_cross_files = family is not BackendFamily.OTHER
    # Each Windows has the variable; a setup.py lists the folder that it names, to find libraries.
    system = {"ProgramFiles": str(toolchain.prefix)} if toolchain.target.os == "windows" else {}
    variables = {
        **system,
        **toolchain.environment,
        "PATH": os.pathsep.join([own_search, str(interpreter.parent), *search]),
        **compiler_variables(toolchain, None if has_cross_files else python),
    }
    if folder is not None:
        # A project without cross files may call CMake itself.
        variables |= {
            **folder.variables,
            **({} if has_cross_files else {"CMAKE_TOOLCHAIN_FILE": str(folder.cmake_file)}),
        }
    return variables


def compiler_variables(toolchain: Toolchain, python: TargetPython | None = None) -> dict[str, str]:
    """Return the environment variables that pass the compilers to a build backend.

    With `python`, the flags also name the directories of Python's headers and of the libraries, for backends that have no
    other way to find them. The libraries' headers come after all folders of the project: it may contain a copy of them.
    """
    join = join_windows_args if toolchain.suffix else shlex.join
    include = [*PYTHON_FLAGS, f"-I{python.headers}", "-isystem", str(python.prefix / "include")] if python else []
    search = [f"-L{python.prefix / 'lib'}"] if python else []
    if python and python.import_library:
        search.append(str(python.import_library))
    flags = join([*toolchain.compile_flags, *include])
    cc, cxx, ar = (join([str(toolchain.program(name))]) for name in ("cc", "c++", "ar"))
    linker = " ".join(SHARED_FLAGS[toolchain.target.os])
    return {
        "CC": cc,
        "CXX": cxx,
        "AR": ar,
        "LDSHARED": f"{cc} {linker}",
        "LDCXXSHARED": f"{cxx} {linker}",
        "PKG_CONFIG": str(toolchain.program("pkg-config")),
        "CFLAGS": flags,
        "CXXFLAGS": join([*toolchain.compile_flags, *toolchain.cxx_flags, *include]),
        "LDFLAGS": join([*toolchain.link_flags, *search]),
    }
