"""Building one library: a recipe for one target, in its own workspace, with an engine's compilers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from everywheel.config.recipe import BuildSystem, Linkage, ResolvedRecipe
from everywheel.errors import BuildError, UsageError
from everywheel.execution.files import remove_path
from everywheel.execution.input_files import UnusableFile, leads_out, list_files
from everywheel.execution.process import excerpt, run_logged
from everywheel.libraries.build_files import check_build_file
from everywheel.libraries.build_systems import NO_DOWNLOADS, Command, build_commands
from everywheel.libraries.context import BuildContext, name_shell
from everywheel.libraries.features import check_features
from everywheel.libraries.installed_files import check_installed
from everywheel.libraries.make_failures import explain_cmake_failure, explain_make_failure, quote_end
from everywheel.libraries.prefix import check_links, describe_library, normalize_prefix
from everywheel.libraries.products import check_products, list_spellings
from everywheel.libraries.source_tree import even_times, prepare_source
from everywheel.libraries.unused_names import report_unused_names
from everywheel.planning.steps import LibraryStep, Plan
from everywheel.toolchains.compiler_arguments import report_arguments
from everywheel.toolchains.machine_programs import link_machine_programs, list_missing_programs, report_missing
from everywheel.toolchains.toolchain import PREFIX, Toolchain, ToolchainOptions
from everywheel.toolchains.toolchain_writer import write_toolchain


def build_library(context: BuildContext, step: LibraryStep, plan: Plan, set_stage: Callable[[str], None]) -> None:
    """Build a library or program and put it into the store; `set_stage` receives the name of each stage.

    Raises BuildError, naming recipe, target and stage, when a stage fails, and SourceError when the source cannot be
    unpacked or patched; the workspace is then kept.
    """
    log = context.log(step)
    remove_path(log)
    set_stage("unpack")
    workspace, toolchain = prepare_workspace(context, step, plan)
    # Both are errors before anything is built: a missing license file, and a missing build file.
    describe_library(step.recipe, workspace / "source")
    check_build_file(step.recipe, workspace / "source")
    with report_arguments(toolchain, log, step.label):
        prefix = _install(context, step, toolchain, workspace, set_stage)
    set_stage("check")
    check_links(prefix, step.recipe)
    # The root of the store is not searched for: a short path such as /store also occurs in unrelated text.
    build_paths = (workspace, *(context.store.root / name for name in ("tools", "zig", "tmp")))
    if not step.debug_data:  # a promise is that there is none
        check_products(prefix, step.recipe, list_spellings(build_paths), log)
    normalize_prefix(prefix, step.recipe, workspace / "source", context.engine.compilers(step.target).cxx_library)
    check_features(context, step, workspace, toolchain, prefix)
    context.store.put_tree(step.key, prefix, name=step.name, version=step.version, target=step.platform)
    context.close_workspace(workspace)


def prepare_workspace(context: BuildContext, step: LibraryStep, plan: Plan) -> tuple[Path, Toolchain]:
    """Create a library's workspace with its requirements, its patched source and its toolchain, ready to be configured.

    Raises SourceError and BuildError when the source cannot be prepared.
    """
    recipe, workspace = step.recipe, context.open_workspace(step, plan)
    prepare_source(context, step, workspace / "source")
    build = recipe.build
    if build.system.programs:
        even_times(workspace / "source", recipe.label)
    options = ToolchainOptions(
        optimize=build.optimize,
        flags=(*(f"-D{define}" for define in build.defines), *build.flags),
        link_flags=build.link_flags,
        exports=recipe.products.exports if recipe.linkage is Linkage.SHARED else (),
        cxx_runtime=build.cxx_runtime,
        debug_data=step.debug_data,
        debug_source=step.debug_source,
    )
    compilers = context.engine.compilers(step.target)
    toolchain = write_toolchain(step.target, compilers, context.tools, workspace, options)
    link_machine_programs(toolchain, build.machine_programs, step.label)
    return workspace, toolchain


def _install(
    context: BuildContext, step: LibraryStep, toolchain: Toolchain, workspace: Path, set_stage: Callable[[str], None]
) -> Path:
    """Configure, compile and install; return the directory in the workspace with the installed files."""
    recipe, staging = step.recipe, workspace / "stage"
    prefix = staging / PREFIX.lstrip("/")
    commands = build_commands(
        recipe.build,
        recipe.linkage,
        toolchain,
        context.tools,
        source=workspace / "source",
        build_directory=workspace / "build",
        staging=staging,
    )
    had_prefix = os.path.lexists(PREFIX)
    for command in commands:
        set_stage(command.stage)
        _run(
            context,
            step,
            command,
            {**toolchain.environment, **NO_DOWNLOADS, **context.environment, **command.environment},
        )
    if recipe.build.system is BuildSystem.HEADERS:
        copy_headers(workspace / "source", prefix, recipe)
    check_installed(staging, recipe, wrote_prefix=not had_prefix and os.path.lexists(PREFIX))
    return prefix


def _run(context: BuildContext, step: LibraryStep, command: Command, environment: Mapping[str, str]) -> None:
    """Run a command of a build, and report what it does not use; raise BuildError, with the cause if it is known."""
    uses_make, label = bool(step.recipe.build.system.programs), f"{step.label}: {command.stage}"
    try:
        output = run_logged(
            command.args,
            cwd=command.folder,
            env=environment,
            log=context.log(step),
            label=label,
            hint=f"`{name_shell(step)}` opens the kept workspace",
            quote=quote_end if uses_make and command.stage == "configure" else excerpt,
        )
    except BuildError as error:
        if uses_make:
            explain_make_failure(error, step.label)
        elif step.recipe.build.system is BuildSystem.CMAKE:
            explain_cmake_failure(error, step.label)
        raise
    if command.stage == "configure":
        report_unused_names(step, output)


def check_machine_programs(steps: Iterable[LibraryStep]) -> None:
    """Raise MachineError if a declared program of the build machine is missing; it names the first step that needs it."""
    for step in steps:
        for name in list_missing_programs(step.recipe.build.machine_programs):
            raise report_missing(step.label, name)


def copy_headers(source: Path, prefix: Path, recipe: ResolvedRecipe) -> None:
    """Copy the directories that `headers` of a recipe lists from the source into the prefix, without links.

    Raises BuildError when the source does not contain one of them, or when a file in it cannot be used, and UsageError when
    the prefix has a file where a directory is needed, or a directory where a file is.
    """
    for origin, destination in recipe.build.headers.items():
        if not (source / origin).is_dir() or leads_out(source / origin, source):
            raise BuildError(
                f"{recipe.label}: the source has no directory '{origin}'",
                hint=f"correct [build.headers] of {recipe.directory / 'recipe.toml'}",
            )
        try:
            files = list_files(source / origin, within=source)
        except UnusableFile as error:
            raise BuildError(
                f"{recipe.label}: the headers cannot be copied",
                details={"reason": error},
                hint="remove it with a patch",
            ) from None
        for file in files:
            path = prefix / destination / file.name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.path, path)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                parents = [parent for parent in path.parents if parent.is_relative_to(prefix)]
                obstacle = next((parent for parent in parents if parent.is_file()), path).relative_to(prefix)
                raise UsageError(
                    f"{recipe.label}: the headers in '{origin}' cannot be copied to '{destination}'",
                    details={"path": f"{obstacle} exists as a {'folder' if (prefix / obstacle).is_dir() else 'file'}"},
                    hint=f"correct [build.headers] of {recipe.directory / 'recipe.toml'}",
                ) from None
            path.chmod(0o755 if file.executable else 0o644)
