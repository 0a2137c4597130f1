"""Build files: whether a source has the one that the build system of its recipe reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from everywheel.config.recipe import Build, BuildSystem, ResolvedRecipe
from everywheel.errors import BuildError

_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_KNOWN = frozenset(("meson.build", "CMakeLists.txt", "configure", "configure.ac", "configure.in", *_MAKEFILES))
_SHOWN = 5  # files in one line of an error
_DEPTH = 2  # folders below that of the source, in which build files are searched for an error


def check_build_file(recipe: ResolvedRecipe, source: Path) -> None:
    """Raise BuildError when the folder that a recipe names does not have the file with which its build begins.

    The tools themselves name the folder of the workspace, and not the keys of the recipe.
    """
    build, names = recipe.build, _list_first_files(recipe.build)
    folder = source / build.subdir
    if build.system is BuildSystem.HEADERS:
        return
    if folder.is_dir() and (not names or any((folder / name).is_file() for name in names)):
        return
    where = f" in '{build.subdir}'" if build.subdir else ""
    others = _find_build_files(source)
    if not folder.is_dir():
        fact, hint = f"the source has no folder '{build.subdir}'", "correct `subdir` in [build]"
    elif build.system is BuildSystem.AUTOTOOLS and not build.configure and (folder / "configure.ac").is_file():
        fact = f"the source has no configure{where}, but the configure.ac that autoconf makes it from"
        hint = "autoconf is not run: pin the archive of upstream's release, which has it, or write overlay/meson.build"
    else:
        fact = f"the source has no {names[-1]}{where}"
        hint = "correct `system` or `subdir` in [build], or write overlay/meson.build"
    raise BuildError(
        f"{recipe.label}: {fact}",
        details={"build files": ", ".join(others) or "none"},
        hint=f"{hint} ({recipe.directory / 'recipe.toml'})",
    )


def _list_first_files(build: Build) -> Sequence[str]:
    """Return the names of the file with which a build begins; none if it needs none, or if its commands may name another."""
    match build.system:
        case BuildSystem.MESON:
            return ("meson.build",)
        case BuildSystem.CMAKE:
            return ("CMakeLists.txt",)
        case BuildSystem.AUTOTOOLS:
            return build.configure[:1] or ("configure",)
        case BuildSystem.MAKE:
            has_own = build.configure or any(arg.startswith("-") for arg in build.compile)
            return () if has_own else _MAKEFILES
        case BuildSystem.HEADERS:
            return ()


def _find_build_files(source: Path) -> Sequence[str]:
    """Return the paths of a source's build files: those in the fewest folders, and at most five."""
    paths = []
    for folder, folders, names in os.walk(source):
        depth = len(Path(folder).relative_to(source).parts)
        if depth == _DEPTH:
            folders.clear()
        paths += [(depth, Path(folder, name).relative_to(source).as_posix()) for name in names if name in _KNOWN]
    shown = [path for _, path in sorted(paths)[:_SHOWN]]
    return [*shown, "…"] if len(paths) > _SHOWN else shown
