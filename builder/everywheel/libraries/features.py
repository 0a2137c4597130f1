"""Features of a built library: `check.c` is linked to it and run, if the build machine can run the target's programs."""

from __future__ import annotations

import platform
import shlex
import shutil
from pathlib import Path

from everywheel.config.recipe import Linkage
from everywheel.errors import BuildError
from everywheel.execution.process import describe_exit, excerpt, log_command, run_logged
from everywheel.libraries.context import BuildContext, name_shell
from everywheel.planning.steps import LibraryStep
from everywheel.platforms.target import Target, build_machine_target
from everywheel.toolchains.toolchain import Toolchain


def can_run(target: Target) -> bool:
    """Return whether the build machine runs programs of a target natively.

    It does if it has the same operating system, architecture and kind of libc, and no older version of macOS or glibc.
    """
    machine = build_machine_target()
    if (target.os, target.arch, target.libc) != (machine.os, machine.arch, machine.libc):
        return False
    if target.os == "darwin":
        return target.os_version <= tuple(int(part) for part in platform.mac_ver()[0].split(".")[:2])
    if target.libc != "glibc":
        return True
    version = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
    return target.libc_version <= version


def resolve_link_flag(flag: str, prefix: Path, target: Target) -> str:
    """Return the path of the import library for `-lfoo` on Windows, and any other flag unchanged.

    With `-static`, the linker would search for `-lfoo` among archives only.
    """
    library = prefix / target.system.linkable.format(flag.removeprefix("-l"))
    return str(library) if target.os == "windows" and flag.startswith("-l") and library.is_file() else flag


def check_features(
    context: BuildContext, step: LibraryStep, workspace: Path, toolchain: Toolchain, prefix: Path
) -> None:
    """Check with the recipe's `check.c` that the built library provides every promised feature.

    The program prints each name in its arguments that the library does not provide, and exits with 1 if there is any.
    Where the target's programs do not run on the build machine, the only check is the search for `evidence` in
    `check_products`. Raises BuildError, with the output of the program, when a feature is missing, or when the program does
    not compile or fails without a name.
    """
    recipe, log = step.recipe, context.log(step)
    if recipe.check is None or not recipe.products.provides or not can_run(step.target):
        return
    # The library is added to the prefix of its requirements, so that pkg-config finds all of them.
    shutil.copytree(prefix, workspace / "prefix", dirs_exist_ok=True, symlinks=True)
    # Compiled from the workspace: compilers cannot handle every character that the project's path may have.
    source = shutil.copyfile(recipe.check, workspace / recipe.check.name)
    program = _link_check(context, step, workspace, toolchain, source)
    # Windows searches PATH, which contains the prefix.
    search = "DYLD_LIBRARY_PATH" if step.target.os == "darwin" else "LD_LIBRARY_PATH"
    shared = {search: str(workspace / "prefix" / "lib")} if recipe.linkage is Linkage.SHARED else {}
    environment = {**toolchain.environment, **context.environment, **shared}
    exit_code, output = log_command(
        [program, *recipe.products.provides], cwd=workspace, env=environment, log=log, label=f"{step.label}: check"
    )
    lines = {line.strip() for line in output.splitlines()}
    missing = [name for name in recipe.products.provides if name in lines]
    if exit_code < 0 or (exit_code and not missing):
        raise BuildError(
            f"{step.label}: the check program ended with {describe_exit(exit_code)}",
            details={"promised": " ".join(recipe.products.provides)},
            excerpt=excerpt(output),
            log=log,
            hint=f"correct {recipe.check}, which prints each name that is missing; `{name_shell(step)}` opens the workspace",
        )
    if missing:
        raise BuildError(
            f"{step.label}: the built library does not provide a feature that the recipe promises",
            details={"promised": " ".join(recipe.products.provides), "missing": " ".join(missing)},
            excerpt=excerpt(output),
            log=log,
            hint="configure disabled a feature; its output in the log names the reason",
        )


def _link_check(context: BuildContext, step: LibraryStep, workspace: Path, toolchain: Toolchain, source: Path) -> Path:
    """Compile and link the check program; return its path."""
    environment = {**toolchain.environment, **context.environment}

    shell = f"`{name_shell(step)}` opens the workspace"

    def run(args: list[str | Path], remedy: str) -> str:
        hint = f"correct {remedy}; {shell}"
        return run_logged(
            args, cwd=workspace, env=environment, log=context.log(step), label=f"{step.label}: check", hint=hint
        )

    is_cxx = source.suffix == ".cpp"
    compiler = toolchain.program("c++" if is_cxx else "cc")
    query: list[str | Path] = [toolchain.program("pkg-config"), "--cflags", "--libs"]
    flags = shlex.split(run([*query, *step.recipe.products.pkgconfig], "the pkg-config file of the library"))
    cflags = [flag for flag in flags if not flag.startswith(("-l", "-L", "-Wl"))]
    libs = [resolve_link_flag(flag, workspace / "prefix", step.target) for flag in flags if flag not in cflags]
    objects, program = workspace / "check.o", workspace / f"check{step.target.system.program}"
    cxx_flags = toolchain.cxx_flags if is_cxx else ()
    run([compiler, *toolchain.compile_flags, *cxx_flags, *cflags, "-c", source, "-o", objects], str(step.recipe.check))
    # The usual link flags discard unused sections of archives, which may refer to symbols that were not built.
    remedy = f"{step.recipe.check}, `exports`, or the libraries in the pkg-config file"
    run([compiler, objects, *toolchain.link_flags, *toolchain.cxx_link_flags, *libs, "-o", program], remedy)
    return program
