"""Pythons: the CPython interpreters that a project builds wheels for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from everywheel.config.known_keys import PROJECT_KEYS
from everywheel.config.recipe import Recipe
from everywheel.config.suggestions import suggest
from everywheel.config.text_rules import PYTHON, PYTHON_ABI, PYTHON_TAG
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError
from everywheel.platforms.other_names import find_system
from everywheel.platforms.target import OPERATING_SYSTEMS

_OLDEST_SUPPORTED = 11  # CPython 3.10 reached its end of life in October 2026
_HEADERS = re.compile(r"cpython-3\.(\d+)(t?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSpec:
    """The Python interpreters that a wheel supports.

    Attributes:
        headers: the name of the recipe that installs their headers.
        tag: the Python tag of the wheel, such as `cp311`.
        abi: the ABI tag of the wheel, such as `abi3`.
        limited_api: true for a wheel that uses only the limited API (PEP 384).
        free_threaded: true for interpreters that are built without the GIL (PEP 703).
        systems: the operating systems that the wheel is built for, by their names in recipes.
    """

    headers: str
    tag: str
    abi: str
    limited_api: bool
    free_threaded: bool
    systems: tuple[str, ...] = tuple(OPERATING_SYSTEMS)

    @property
    def version(self) -> str:
        """The oldest CPython of the wheel: `3.12`, or `3.14t` for one without the GIL."""
        return f"3.{self.tag.removeprefix('cp3')}{'t' if self.free_threaded else ''}"

    @property
    def label(self) -> str:
        """The shortest text that differs for any two Pythons of a project: `cp314t`, `cp311-abi3`."""
        return self.abi if self.abi.startswith("cp") else f"{self.tag}-{self.abi}"


def load_pythons(table: Table, recipes: Mapping[str, Recipe], defaults: Sequence[str] = ()) -> tuple[PythonSpec, ...]:
    """Read `python`: an array of texts such as `cp312` and of tables, or one table; `defaults` if the key is missing.

    Raises UsageError for an unknown Python, for one that no recipe has the headers of, and for two of the same tags.
    """
    entries = defaults if defaults and not table.has("python") else table.texts_or_tables("python")
    specs = [_load_python(table, entry, recipes) for entry in entries]
    tags = [f"{spec.tag}-{spec.abi}" for spec in specs]
    for tag in tags:
        if tags.count(tag) > 1:
            raise UsageError(
                f"{table.describe('python')} names {tag} more than once",
                hint="remove one of them: each entry builds a separate wheel",
            )
    return tuple(specs)


def default_pythons(requires_python: str, recipes: Iterable[str]) -> tuple[str, ...]:
    """Return the entries of `python` for a project that names none and does not use the limited API.

    These are the CPythons with the GIL that are supported upstream, whose headers a recipe installs, and that
    `requires_python` (PEP 345; empty for any) accepts. Raises ValueError for an invalid specifier.
    """
    try:
        accepted = SpecifierSet(requires_python)
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None
    return tuple(
        f"cp3{minor}"
        for minor, threads in _find_headers(recipes)
        # The last release: `>=3.11.4` accepts CPython 3.11.
        if not threads and minor >= _OLDEST_SUPPORTED and accepted.contains(f"3.{minor}.99", prereleases=True)
    )


def read_python_tag(text: str) -> str:
    """Return the tag of a text that may begin with a version: `cp312` for `3.12`, `cp314t` for `3.14t`."""
    return re.sub(r"^3\.(\d+t?)(?=-|$)", r"cp3\1", text)


def read_python_version(text: str) -> str:
    """Return the version of a text that may be a tag: `3.12` for `cp312`, `3.14t` for `cp314t`."""
    return re.sub(r"^cp3(\d+t?)$", r"3.\1", text)


def oldest_python(requires_python: str) -> str:
    """Return the oldest CPython that a specifier accepts, such as `3.9`; the oldest supported one if it accepts any.

    Raises ValueError for an invalid specifier.
    """
    if not requires_python:
        return f"3.{_OLDEST_SUPPORTED}"
    try:
        accepted = SpecifierSet(requires_python)
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None
    minors = (minor for minor in range(100) if accepted.contains(f"3.{minor}.99", prereleases=True))
    return f"3.{next(minors, _OLDEST_SUPPORTED)}"


def _find_headers(recipes: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield minor version and `t` or nothing for the recipes of the headers of one CPython, in ascending order."""
    matches = (_HEADERS.fullmatch(name) for name in recipes)
    yield from sorted((int(match[1]), match[2]) for match in matches if match)


def _load_python(table: Table, entry: str | Table, recipes: Mapping[str, Recipe]) -> PythonSpec:
    if isinstance(entry, str):
        tag, abi = _split_tag(table.describe("python"), entry)
        return _make_spec(tag, abi, _choose_headers(table, tag, abi, recipes), tuple(OPERATING_SYSTEMS))
    entry.check_keys(PROJECT_KEYS, "python")
    systems = entry.texts("os", list(OPERATING_SYSTEMS))
    for system in systems:
        if system not in OPERATING_SYSTEMS:
            raise UsageError(
                f"{entry.location}: there is no system '{system}'",
                hint=suggest(find_system(system) or system, OPERATING_SYSTEMS),
            )
    abi = entry.text("abi", "", rule=PYTHON_ABI)
    if abi:
        tag = entry.text("tag", rule=PYTHON_TAG)
        _check_abi(entry.location, tag, abi)
    else:
        tag, abi = _split_tag(entry.describe("tag"), entry.text("tag"))
    headers = entry.text("headers", "") or _choose_headers(table, tag, abi, recipes)
    return _make_spec(tag, abi, headers, systems)


def _make_spec(tag: str, abi: str, headers: str, systems: tuple[str, ...]) -> PythonSpec:
    return PythonSpec(
        headers=headers,
        tag=tag,
        abi=abi,
        limited_api=abi.startswith("abi3"),
        free_threaded=re.fullmatch(r"cp\d+td?", abi) is not None,
        systems=systems,
    )


def _split_tag(location: str, text: str) -> tuple[str, str]:
    """Return Python tag and ABI tag of a text such as `cp312`, `3.12`, `cp314t` or `cp311-abi3`."""
    if re.match("pp|pypy", text):
        raise UsageError(f"{location} names {text!r}, a PyPy", hint=f"wheels are built for CPython; {PYTHON.hint}")
    if not PYTHON.accepts(read_python_tag(text)):
        raise UsageError(f"{location} must be {PYTHON.description}", details={"value": repr(text)}, hint=PYTHON.hint)
    python, _, abi = read_python_tag(text).partition("-")
    tag = python.rstrip("t")
    _check_abi(location.rpartition(": ")[0] or location, tag, abi or python)
    return tag, abi or python


def _check_abi(location: str, tag: str, abi: str) -> None:
    if abi.startswith("cp") and not re.fullmatch(rf"{tag}t?d?", abi):
        raise UsageError(f"{location}: 'abi' is '{abi}' but 'tag' is '{tag}'", hint="name the same Python in both")
    if "abi3t" in abi and int(tag.removeprefix("cp3")) < 15:
        raise UsageError(
            f"{location}: {tag}-{abi} does not exist", hint="the stable ABI without the GIL begins with cp315 (PEP 803)"
        )


def _choose_headers(table: Table, tag: str, abi: str, recipes: Mapping[str, Recipe]) -> str:
    """Return the recipe of the headers for a wheel; raise UsageError if there is none.

    Extensions of the stable ABI can be built with the headers of any CPython that is not older than the tag.
    """
    minor = int(tag.removeprefix("cp3"))
    if "abi3t" in abi:
        name = "cpython-abi3t"
    elif abi == "abi3" and "cpython" in recipes and _is_new_enough(recipes["cpython"], minor):
        name = "cpython"
    else:
        name = f"cpython-3.{minor}{'t' if 't' in abi else ''}"
    if name not in recipes:
        available = [f"cp3{minor}{threads}" for minor, threads in _find_headers(recipes)]
        raise UsageError(
            f"{table.describe('python')} names {tag}-{abi}, but there is no recipe '{name}' with its headers",
            hint=f"there are headers of: {', '.join(available) or 'none'}; `headers` of a table names another recipe",
        )
    return name


def _is_new_enough(recipe: Recipe, minor: int) -> bool:
    try:
        return Version(recipe.version).release[:2] >= (3, minor)
    except InvalidVersion:
        return False
