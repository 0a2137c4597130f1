"""The libraries that a prefix says it holds: version, licence and texts of each, for the wheel that they go into."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.errors import BuildError


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """One library in a prefix, as its recipe left word of it.

    `license` is an SPDX expression, `linkage` is `shared` or `static`, `files` names its shared objects without their
    versions (`libvips`), `exports` are globs of the symbols that it may let out (None: its recipe does not say) and
    `texts` its licence texts by file name. `url`, `sha256` and `patches` say what it was built from.
    """

    name: str
    version: str
    license: str
    linkage: str
    requires: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    exports: tuple[str, ...] | None = None
    url: str = ""
    sha256: str = ""
    patches: tuple[str, ...] = ()
    texts: Mapping[str, bytes] = field(default_factory=dict)


def load_libraries(prefix: Path, *, leave_out: Collection[str] = ()) -> tuple[Library, ...]:
    """Return what a prefix holds, by name, without the recipes named in `leave_out` (the Python headers).

    It reads `share/everywheel/<recipe>.json` and `share/licenses/<recipe>/`. Raises BuildError where one cannot be read
    or a library has no licence text.
    """
    found = [
        _load_library(path, prefix)
        for path in sorted((prefix / "share" / "everywheel").glob("*.json"))
        if path.stem not in leave_out
    ]
    return tuple(found)


def _load_library(path: Path, prefix: Path) -> Library:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        library = Library(
            name=data["name"],
            version=data["version"],
            license=data["license"],
            linkage=data["linkage"],
            requires=tuple(data.get("requires", ())),
            files=tuple(f"lib{name}" for name in data.get("libraries", ())),
            exports=tuple(data["exports"]) if data.get("exports") else None,
            url=data.get("url", ""),
            sha256=data.get("sha256", ""),
            patches=tuple(data.get("patches", ())),
            texts=_read_texts(prefix / "share" / "licenses" / path.stem),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(
            f"{path.name} in the prefix cannot be read", details={"file": path, "reason": repr(error)}
        ) from None
    if not library.texts:
        raise BuildError(
            f"{library.name} {library.version}: no licence text in the prefix",
            details={"folder": prefix / "share" / "licenses" / library.name},
            hint="name the files that hold it in `license.files` of its recipe",
        )
    return library


def _read_texts(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
