"""Review of recipes: promises that nothing checks, wide exports, downloads, and files in wrong places."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from everywheel.config.recipe import Build, BuildSystem, Feature, Override, Products, Recipe

_WILDCARD = re.compile(r"[*?\[]")
_FOREIGN_KINDS = (
    "N",
    "NK",
    "TV",
    "TVN",
    "TI",
    "TIN",
    "TS",
    "TSN",
    "TT",
    "TTN",
    "TC",
    "Thn16_N",
    "Tv0_n24_N",
    "GV",
    "GVN",
    "ZN",
)
_FOREIGN = (
    "vjq_call",
    "_vjq_call",
    "__vjq_call",
    *(f"_Z{kind}3vjq3runEv" for kind in ("", *_FOREIGN_KINDS)),
    *(f"_Z{kind}St6vectorI3vjqSaIS0_EE3runEv" for kind in ("", *_FOREIGN_KINDS)),
    "_ZnwmRK3vjq",
    "_ZdlPvRK3vjq",
)
"""Symbols of a library that does not exist, of every kind: functions, those of C++, tables of classes, types and virtual
bases, thunks, guards of static variables, templates of the C++ library with its types, and operators `new` and `delete`.
"""
_CUT_NAME = re.compile(r"_Z(?:T[VTISC]|GV|GR|Th?n?\d+_|Tv\d+_n?\d+_)?Z?N?K?\d*\*")
"""A pattern of C++ that ends before the first name, such as `_ZN4*`: every namespace of four letters."""

_DOWNLOADERS = frozenset({"bzr", "cargo", "curl", "git", "hg", "npm", "pip", "pip3", "rsync", "svn", "wget"})
_COMMAND = re.compile(r"[^\s;&|()`$]+")  # the words of a command for a shell
_URL = re.compile(r"(?:ftp|git|https?)://")
_TEXT_OPTION = re.compile(r"origin|bug|home-?page|home_page|support|vendor", re.IGNORECASE)
"""Names of options whose address is a text in the library: `package-origin`, `with-bug-url`, `VENDOR_URL`."""
_FOLDER = r"(?:bin|lib|libexec|include|data|dataroot|doc|info|man|sbin)dir"
_PREFIX_OPTION = re.compile(rf"-*(?:(?:exec-)?prefix|{_FOLDER}|PREFIX|CMAKE_INSTALL_(?i:prefix|{_FOLDER})|DESTDIR)")


def review_recipes(recipes: Iterable[Recipe]) -> list[str]:
    """Return one line for each finding, which names its recipe."""
    chosen = list(recipes)
    findings = [f"{recipe.name}: {text}" for recipe in chosen for text in _review(recipe)]
    return [*findings, *_find_duplicates(chosen)]


def _review(recipe: Recipe) -> Iterator[str]:
    parts: list[Products | Feature | Override] = [recipe.products, *recipe.features.values(), *recipe.overrides]
    if any(part.provides for part in parts):
        if not recipe.products.pkgconfig:
            yield "`provides` is checked with the flags of `pkgconfig`, which names no file"
        if not {"check.c", "check.cpp"} & set(recipe.files):
            yield "`provides` is checked by check.c or check.cpp, and there is neither"
    for pattern in dict.fromkeys(pattern for part in parts for pattern in part.exports):
        is_wide = _WILDCARD.match(pattern) or _CUT_NAME.fullmatch(pattern)
        if is_wide or any(fnmatchcase(symbol, pattern) for symbol in _FOREIGN):
            yield f"'{pattern}' in `exports` matches symbols of every library"
    yield from _find_downloads(recipe)
    for name, value in _list_settings(recipe):
        if _PREFIX_OPTION.fullmatch(name) and _leads_out(value):
            yield f"{name}={value} installs files outside of the prefix"


def _find_downloads(recipe: Recipe) -> Iterator[str]:
    """Yield what needs a network, which a build does not have."""
    for program in recipe.build.machine_programs:
        if program in _DOWNLOADERS:
            yield f"'{program}' in `machine-programs` downloads, and builds download nothing"
    # A configure script has arguments of its own, and `compile` and `install` are targets of make.
    commands = recipe.build.configure if recipe.build.system is BuildSystem.MAKE else ()
    for argument in commands:
        for program in sorted(_DOWNLOADERS.intersection(_COMMAND.findall(argument))):
            yield f"'{program}' in the command '{argument}' downloads, and builds download nothing"
    for name, value in _list_settings(recipe):
        if _URL.match(value) and not _TEXT_OPTION.search(name):
            yield f"{name}={value} is an address, and builds download nothing"


def _leads_out(folder: str) -> bool:
    """Return whether a folder of the prefix, with or without it, is outside of it."""
    path = posixpath.normpath(re.sub(r"^\{(?:prefix|stage)\}/*", "", folder))
    return path.startswith(("/", "../")) or path == ".."


def _list_settings(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield options and arguments of the build with their values; the name of an argument without a value is empty."""
    parts: list[Build | Feature | Override] = [recipe.build, *recipe.features.values(), *recipe.overrides]
    for part in parts:
        for name, value in part.options.items():
            yield name, str(value)
    for argument in _list_arguments(recipe):
        name, separator, value = argument.partition("=")
        yield (name, value) if separator else ("", argument)


def _list_arguments(recipe: Recipe) -> Iterator[str]:
    """Yield the arguments of the commands that configure, compile and install."""
    yield from (*recipe.build.configure, *recipe.build.compile, *recipe.build.install)
    for override in recipe.overrides:
        yield from override.configure


def _find_duplicates(recipes: Iterable[Recipe]) -> Iterator[str]:
    """Yield files that two recipes of one folder install.

    Recipes with one CPE are versions of one library, and one names the other in `alternatives` if they replace each other: a
    prefix has one of them.
    """
    owners: dict[Path, Recipe] = {}
    for recipe in recipes:
        products = recipe.products
        names = (*(f"lib{name}" for name in products.libraries), *(f"{name}.pc" for name in products.pkgconfig))
        for file in (*products.headers, *products.programs, *names):
            owner = owners.setdefault(recipe.directory.parent / file, recipe)
            if owner is not recipe and not _replace_each_other(owner, recipe):
                yield f"{recipe.name}: {owner.name} installs {file} as well, and neither names the other in `alternatives`"


def _replace_each_other(first: Recipe, second: Recipe) -> bool:
    is_same = bool(first.cpe) and first.cpe == second.cpe
    return is_same or first.name in second.alternatives or second.name in first.alternatives
