"""The keys of recipes and of a project's settings, by table, and hints for other keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from everywheel.config.suggestions import find_similar

KnownKeys = Mapping[str, tuple[str, ...]]
"""The keys of each table by its path, in which `*` is any name."""

_FILE = ("urls", "debian", "sha256", "size", "sha1")
RECIPE_KEYS: KnownKeys = MappingProxyType(
    {
        "": (
            *("name", "version", "summary", "cpe", "alternatives", "license", "source", "build", "products"),
            *("requires", "build-requires", "features", "profiles", "overrides"),
        ),
        "license": ("spdx", "files"),
        "source": (*_FILE, "omit-patches", "patch-archives", "patches"),
        "build": (
            *(
                "system",
                "subdir",
                "configure",
                "compile",
                "install",
                "machine-programs",
                "options",
                "enable",
                "disable",
            ),
            *("defines", "flags", "link-flags", "optimize", "cxx-runtime", "headers"),
        ),
        "products": (*("libraries", "headers", "pkgconfig", "programs", "sonames", "exports", "provides", "evidence"),),
        "overrides": (
            *("when", "options", "system", "unsupported", "extend-requires", "extend-build-requires", "extend-enable"),
            *("extend-disable", "extend-configure", "extend-defines", "extend-flags", "extend-link-flags"),
            *("extend-exports", "extend-provides", "extend-evidence"),
        ),
        "features.*": ("requires", "build-requires", "enable", "options", "exports", "provides", "evidence"),
        "source.debian": ("package", "file"),
        "source.patches": ("name", "fixes", *_FILE),
        "source.patch-archives": (*_FILE, "omit", "patches"),
        "source.patch-archives.omit": ("file", "reason"),
        "source.patch-archives.patches": ("file", "name", "sha256", "size", "fixes"),
    }
)
PROJECT_KEYS: KnownKeys = MappingProxyType(
    {
        "": (
            *(
                "extension",
                "recipes",
                "requires",
                "shared",
                "exports",
                "profiles",
                "features",
                "data",
                "config-settings",
            ),
            *("environment", "overrides", "python", "backend-python", "smoke", "targets", "release-targets"),
            *("more-targets", "wheelhouse", "mirrors", "snapshot", "remote", "remote-keys"),
        ),
        "smoke": ("requires", "command", "exclude"),
        "overrides": ("when", "environment", "config-settings", "requires", "shared", "data"),
        "python": ("tag", "abi", "headers", "os"),
    }
)
_ARRAYS = ("overrides",)
_UNUSED = MappingProxyType(
    {("features.*", "disable"): "a feature has no `disable`: what it enables is disabled without it"}
)


def explain_unknown_key(key: str, table: str, known: KnownKeys, root: str) -> str:
    """Return a hint for a key that a table does not have; `root` is the path of the table in which all others are."""
    if (table, key) in _UNUSED:
        return _UNUSED[table, key]
    prefix = "extend-"
    for other in (f"{prefix}{key}", key.removeprefix(prefix)):
        if other in known[table]:
            return f"did you mean '{other}'?"
    if owners := list(_list_owners(key, known, root)):
        return f"`{key}` belongs to {' or '.join(owners)}"
    close = find_similar(key, known[table])
    return f"did you mean '{close}'?" if close else f"known keys: {', '.join(sorted(known[table]))}"


def _list_owners(key: str, known: KnownKeys, root: str) -> Iterator[str]:
    """Yield the tables that have a key, without those whose names have several parts."""
    for path, keys in known.items():
        if key in keys and "." not in path:
            name = ".".join(filter(None, (root, path)))
            header = f"`[[{name}]]`" if path in _ARRAYS else f"`[{name}]`"
            if not path:
                header = f"{header if root else 'the top of the file'}: move it above the first table"
                yield f"{header} below that line" if root else header
                return
            yield header
