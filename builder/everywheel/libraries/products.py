"""Checks of products: whether a build installed the files that its recipe declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from everywheel.binaries.elf import MAGIC
from everywheel.config.recipe import Linkage, ResolvedRecipe
from everywheel.errors import BuildError
from everywheel.libraries.prefix import program_names
from everywheel.libraries.products_elf import check_elf_archive, check_machine, check_shared_elf
from everywheel.libraries.products_macho import check_macho_archive, check_shared_macho
from everywheel.libraries.products_pe import check_dlls, check_pe_archive

_SHOWN = 10  # installed files in one line of an error


def check_products(prefix: Path, recipe: ResolvedRecipe, forbidden: tuple[str, ...], log: Path | None = None) -> None:
    """Check that the prefix contains what the recipe declares, and no path of the build machine.

    `forbidden` are the paths to search for. Raises BuildError, which lists every problem, the installed files and the log.
    """
    problems = [*_check_files(prefix, recipe), *_check_paths(prefix, forbidden), *_check_evidence(prefix, recipe)]
    for name in recipe.products.libraries:
        problems += _check_library(prefix, name, recipe)
    for name in recipe.products.programs:
        problems += _check_program(prefix, name, recipe)
    if problems:
        raise BuildError(
            f"{recipe.label}: the build did not produce what the recipe promises",
            details={
                **{f"promise {number}": problem for number, problem in enumerate(problems, 1)},
                "installed": _list_installed(prefix),
            },
            log=log,
            hint="correct [products] of the recipe, or the options that should have produced them",
        )


def _list_installed(prefix: Path) -> str:
    """Return the paths of the installed files, those of libraries first, and at most ten of them."""
    files = sorted(file.relative_to(prefix) for file in prefix.rglob("*") if file.is_file() or file.is_symlink())
    names = [file.as_posix() for file in sorted(files, key=lambda file: (file.parts[0] != "lib", len(file.parts)))]
    further = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{further}"


def list_spellings(paths: Iterable[PurePath]) -> tuple[str, ...]:
    """Return the spellings of paths that a file may contain: on Windows, with backslashes and with slashes."""
    return tuple(dict.fromkeys(text for path in paths for text in (str(path), path.as_posix())))


def _check_files(prefix: Path, recipe: ResolvedRecipe) -> Iterator[str]:
    for name in recipe.products.headers:
        if not (prefix / name).is_file():
            yield f"{name} is missing"
    for name in recipe.products.pkgconfig:
        if not any((prefix / folder / "pkgconfig" / f"{name}.pc").is_file() for folder in ("lib", "share")):
            yield f"lib/pkgconfig/{name}.pc is missing"


def _check_paths(prefix: Path, forbidden: tuple[str, ...]) -> Iterator[str]:
    for file in sorted(prefix.rglob("*")):
        if file.is_file() and not file.is_symlink():
            data = file.read_bytes()
            for path in forbidden:
                if path.encode() in data:
                    yield f"{file.relative_to(prefix)} contains a path of the build machine: {path}"


def _check_evidence(prefix: Path, recipe: ResolvedRecipe) -> Iterator[str]:
    if not recipe.products.evidence:
        return
    candidates = [*(prefix / "lib").glob("*"), *(prefix / "bin").glob("*.dll")]
    data = b"".join(path.read_bytes() for path in candidates if path.is_file() and not path.is_symlink())
    for text in recipe.products.evidence:
        if text.encode() not in data:
            yield f"no library contains '{text}': configure disabled a feature"


def _check_library(prefix: Path, name: str, recipe: ResolvedRecipe) -> Iterator[str]:
    is_static = recipe.linkage is Linkage.STATIC
    pattern = "lib/lib{}.a" if is_static else recipe.target.system.linkable
    file, shorter = pattern.format(name), name.removeprefix("lib")
    if not (prefix / file).is_file():
        is_prefixed = shorter != name and (prefix / pattern.format(shorter)).is_file()
        yield f"{file} is missing" + (f": write '{shorter}' for {pattern.format(shorter)}" if is_prefixed else "")
        return
    data = (prefix / file).read_bytes()
    match recipe.target.os, is_static:
        case "windows", True:
            yield from check_pe_archive(file, data, recipe)
        case "windows", False:
            yield from check_dlls(prefix, file, data, recipe)
        case "darwin", True:
            yield from check_macho_archive(file, data, recipe)
        case "darwin", False:
            yield from check_shared_macho(file, data, name, recipe)
        case _, True:
            yield from check_elf_archive(file, data, recipe)
        case _, False:
            yield from check_shared_elf(file, data, name, recipe)


def _check_program(prefix: Path, name: str, recipe: ResolvedRecipe) -> Iterator[str]:
    candidates = [prefix / file for file, program in program_names(recipe).items() if program == name]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        yield f"{name} is missing"
    elif path.read_bytes()[:4] == MAGIC:
        yield from check_machine(name, path.read_bytes(), recipe)
