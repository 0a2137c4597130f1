"""Review of recipes: unused files, promises that nothing checks, wide exports, downloads, and files in wrong places."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from everywheel.config.collection import is_built_in, suggest_recipe
from everywheel.config.recipe import Build, BuildSystem, Feature, Override, Products, Recipe
from everywheel.errors import count_noun

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

_FOLDERS = ("overlay", "patches")
_CHECKS = ("check.c", "check.cpp")
_BUILD_FILES = frozenset(
    {"CMakeLists.txt", "Makefile", "configure", "makefile", "meson.build", "meson.options", "meson_options.txt"}
)
_SHOWN = 3  # files in one line


def review_recipes(recipes: Mapping[str, Recipe]) -> list[str]:
    """Return one line for each finding, which names its recipe."""
    findings = [f"{name}: {text}" for name, recipe in recipes.items() for text in _review(recipe, recipes)]
    return [*findings, *_find_duplicates(recipes)]


def _review(recipe: Recipe, recipes: Mapping[str, Recipe]) -> Iterator[str]:
    yield from _find_unused_files(recipe.files)
    for name in recipe.alternatives:
        if name not in recipes:
            others = {other: recipes[other] for other in recipes if other != recipe.name}
            yield f"`alternatives` names '{name}', but there is no such recipe: {suggest_recipe(name, others)}"
    yield from _find_unchecked(recipe)
    yield from _find_downloads(recipe)
    for name, value in _list_settings(recipe):
        if _PREFIX_OPTION.fullmatch(name) and _leads_out(value):
            yield f"{name}={value} installs files outside of the prefix"


def _find_unchecked(recipe: Recipe) -> Iterator[str]:
    """Yield promises that no check can break."""
    products, checks = recipe.products, [name for name in _CHECKS if name in recipe.files]
    if not (products.libraries or products.headers or products.pkgconfig or products.programs):
        yield "[products] names nothing, so that nothing is checked"
    parts: list[Products | Feature | Override] = [products, *recipe.features.values(), *recipe.overrides]
    has_features = any(part.provides for part in parts)
    if has_features and not products.pkgconfig:
        yield "`provides` is checked with the flags of `pkgconfig`, which names no file"
    if has_features and not checks:
        yield "`provides` is checked by check.c or check.cpp, and there is neither"
    if checks and not has_features:
        yield f"`{checks[0]}` is not used: `provides` names nothing that it checks"
    if len(checks) > 1:
        yield f"`{checks[1]}` is not used: there is `{checks[0]}`"
    for pattern in dict.fromkeys(pattern for part in parts for pattern in part.exports):
        is_wide = _WILDCARD.match(pattern) or _CUT_NAME.fullmatch(pattern)
        if is_wide or any(fnmatchcase(symbol, pattern) for symbol in _FOREIGN):
            yield f"'{pattern}' in `exports` matches symbols of every library"


def _find_unused_files(names: Iterable[str]) -> Iterator[str]:
    """Yield files that a build ignores because of their names; notes next to recipe.toml are none of them."""
    others: dict[str, list[str]] = {}
    for name in names:
        folder, separator, _ = name.partition("/")
        if not separator:
            if advice := _find_right_name(name):
                yield f"`{name}` is not used: {advice}"
        elif folder == "patches":
            if not name.endswith(".patch"):
                yield f"`{name}` is not used: patches end in `.patch`"
        elif folder != "overlay":
            others.setdefault(folder, []).append(name)
    for folder, files in others.items():
        close = difflib.get_close_matches(folder.casefold(), _FOLDERS, 1)
        advice = f"did you mean `{close[0]}/`?" if close else "the folders of a recipe are `overlay/` and `patches/`"
        verb = "is" if len(files) == 1 else f"and {count_noun(len(files) - 1, 'other file')} of the folder are"
        yield f"`{files[0]}` {verb} not used: {advice}"


def _find_right_name(name: str) -> str:
    """Return where a file next to recipe.toml, or under which name, would be used; empty for a note or a check program."""
    if name.endswith((".diff", ".patch")):
        return "patches are in `patches/` and end in `.patch`"
    if name in _BUILD_FILES:
        return "build files are in `overlay/`"
    close = [] if name in _CHECKS else difflib.get_close_matches(name.casefold(), _CHECKS, 1, 0.8)
    return f"did you mean `{close[0]}`?" if close else ""


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


def _find_duplicates(recipes: Mapping[str, Recipe]) -> Iterator[str]:
    """Yield files that two libraries install, in one line for both.

    Recipes with one CPE are versions of one library. One library names the other in `alternatives` if they replace each
    other: a prefix has one of them.
    """
    owners: dict[str, list[Recipe]] = {}
    pairs: dict[tuple[str, str], tuple[Recipe, Recipe, dict[str, None]]] = {}
    for recipe in recipes.values():
        for file in _list_installed(recipe.products):
            for owner in owners.setdefault(file, []):
                if not _replace_each_other(owner, recipe, recipes):
                    libraries = _identify(owner), _identify(recipe)
                    pairs.setdefault(libraries, (owner, recipe, {}))[2][file] = None
            owners[file].append(recipe)
    for first, second, files in pairs.values():
        yield (
            f"{_describe(first, second)} and {_describe(second, first)} both install {_join([*files])}: rename those of one, "
            "or name it in `alternatives` of the other if a wheel uses only one of them"
        )


def _list_installed(products: Products) -> dict[str, None]:
    """Return the files that a recipe promises, as texts; of a library, the file's name depends on the target."""
    libraries = (f"the library `{name}`" for name in products.libraries)
    packages = (f"{name}.pc" for name in products.pkgconfig)
    return dict.fromkeys((*libraries, *products.headers, *products.programs, *packages))


def _describe(recipe: Recipe, other: Recipe) -> str:
    """Return the name of a recipe, with its collection if the other one is a project's own."""
    return f"{recipe.name} (built-in)" if is_built_in(recipe) and not is_built_in(other) else recipe.name


def _join(files: Sequence[str]) -> str:
    shown = [*files[:_SHOWN]]
    if len(files) > _SHOWN:
        shown.append(count_noun(len(files) - _SHOWN, "other file"))
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _identify(recipe: Recipe) -> str:
    """Return the same text for all recipes of one library."""
    return recipe.cpe or recipe.name


def _replace_each_other(first: Recipe, second: Recipe, recipes: Mapping[str, Recipe]) -> bool:
    for recipe, other in ((first, second), (second, first)):
        named = {_identify(recipes[name]) for name in recipe.alternatives if name in recipes}
        if _identify(other) in {_identify(recipe), *named}:
            return True
    return False
