"""Features asked of the built library: `check.c` is linked against it and run where this machine can run the target."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from everywheel.config.recipe import Linkage
from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.platforms.target import Target, build_machine_target
from everywheel.toolchains.toolchain import Toolchain

if TYPE_CHECKING:
    from everywheel.libraries.build import BuildContext
    from everywheel.planning.plan import Step


def can_run(target: Target) -> bool:
    """Return whether programs of a target run on this machine as it is: same system and architecture, no older libc."""
    here = build_machine_target()
    if (target.os, target.arch, target.libc) != (here.os, here.arch, here.libc):
        return False
    if target.os == "darwin":
        return target.os_version <= tuple(int(part) for part in platform.mac_ver()[0].split(".")[:2])
    if target.libc != "glibc":
        return True
    version = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
    return target.libc_version <= version


def name_library(flag: str, prefix: Path, target: Target) -> str:
    """Return the import library that `-lfoo` means on Windows, where a static link would look for archives alone."""
    library = prefix / target.system.linkable.format(flag.removeprefix("-l"))
    return str(library) if target.os == "windows" and flag.startswith("-l") and library.is_file() else flag


def check_features(
    site: BuildContext, step: Step, workspace: Path, toolchain: Toolchain, prefix: Path, log: Path
) -> None:
    """Ask the built library for every word that the recipe provides.

    Where the target cannot be run here, the strings in `evidence` have to do, which `check_products` has looked for.
    The check program prints each word that the library denies, and exits with 1 if there is any.
    Raises BuildError with its words.
    """
    assert step.resolved is not None
    recipe = step.resolved.recipe
    if recipe.check is None or not step.resolved.provides or not can_run(step.target):
        return
    # The library joins what it requires, so that pkg-config finds both.
    shutil.copytree(prefix, workspace / "prefix", dirs_exist_ok=True, symlinks=True)
    compiler = toolchain.program("c++" if recipe.check.suffix == ".cpp" else "cc")
    environment = {**toolchain.environment, **site.environment}
    what = f"{step.label}: check"
    pkgconfig: list[str | Path] = [toolchain.program("pkg-config"), "--cflags", "--libs", *recipe.products.pkgconfig]
    found = run_logged(pkgconfig, cwd=workspace, env=environment, log=log, what=what).split()
    objects, program = workspace / "check.o", workspace / f"check{step.target.system.program}"
    cflags = [flag for flag in found if not flag.startswith(("-l", "-L", "-Wl"))]
    cxx_flags = toolchain.cxx_flags if recipe.check.suffix == ".cpp" else ()
    run_logged(
        [compiler, *toolchain.compile_flags, *cxx_flags, *cflags, "-c", recipe.check, "-o", objects],
        cwd=workspace,
        env=environment,
        log=log,
        what=what,
    )
    libs = [name_library(flag, workspace / "prefix", step.target) for flag in found if flag not in cflags]
    # As in every link: what archives have left over may need what was never built.
    run_logged(
        [compiler, objects, *toolchain.link_flags, *toolchain.cxx_link_flags, *libs, "-o", program],
        cwd=workspace,
        env=environment,
        log=log,
        what=what,
    )
    # Windows looks in PATH, which has the prefix.
    search = "DYLD_LIBRARY_PATH" if step.target.os == "darwin" else "LD_LIBRARY_PATH"
    shared = {search: str(workspace / "prefix" / "lib")} if step.resolved.linkage is Linkage.SHARED else {}
    try:
        run_logged([program, *step.resolved.provides], cwd=workspace, env={**environment, **shared}, log=log, what=what)
    except BuildError as error:
        raise BuildError(
            f"{step.label}: the built library denies what the recipe promises",
            details={"promised": " ".join(step.resolved.provides)},
            excerpt=error.excerpt,
            log=log,
            hint="a feature was lost in configure; the log says what it looked for",
        ) from None
