"""Prefixes: the preparation of an installed directory for the store, and the facts about each library in it.

`normalize_prefix` writes the facts and the license texts; `load_libraries` reads them when a wheel that contains the
libraries is repaired.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from everywheel.archives.refusal import find_name_fault
from everywheel.config.recipe import Linkage, ResolvedRecipe
from everywheel.errors import BuildError
from everywheel.execution.input_files import UnusableFile, leads_out, link_leads_out, read_file, read_text
from everywheel.toolchains.toolchain import PREFIX

_LARGEST_TEXT = 16 << 20  # bytes of a license text or .pc file

# Directories that no build reads, and that of the facts, which only `write_library` writes.
_DROPPED = (
    "share/everywheel",
    "share/doc",
    "share/man",
    "share/gtk-doc",
    "share/locale",
    "share/bash-completion",
    "share/aclocal",
    "share/gdb",
    "share/gettext",
    "share/glib-2.0",
    "libexec",
    "etc",
    "var",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The facts about one library in a prefix.

    `license` is an SPDX expression, `linkage` is `shared` or `static`, `files` are the names of its shared objects without
    suffix and version (`libvips`), `exports` are glob patterns of the symbols that it may export (None: its recipe
    declares none), `texts` its license texts by file name. `url`, `sha256` and `patches` identify its source.
    The serial number of the SBOM is computed from the `repr` of this value: a renamed or additional field would change it.
    `features` is therefore excluded from the `repr`.
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
    features: tuple[str, ...] = field(default=(), repr=False)


def normalize_prefix(prefix: Path, recipe: ResolvedRecipe, source: Path) -> None:
    """Prepare an installed directory for the store: remove unused files, make it relocatable, add facts and licenses.

    Raises BuildError when a license file is not in `source`, and for a .pc file that cannot be read. The links in the
    prefix must have been checked (`check_links`).
    """
    for name in _DROPPED:
        shutil.rmtree(prefix / name, ignore_errors=True)
    for path in prefix.glob("lib/*.la"):
        _remove(path)
    programs = program_names(recipe)
    for path in prefix.glob("bin/*"):
        is_library = recipe.target.os == "windows" and path.suffix == ".dll"
        if f"bin/{path.name}" not in programs and not is_library:
            _remove(path)
    for folder in ("lib", "share"):
        for path in prefix.glob(f"{folder}/pkgconfig/*.pc"):
            try:
                text = read_text(path, _LARGEST_TEXT)
            except (UnusableFile, FileNotFoundError) as error:
                raise BuildError(
                    f"{recipe.label}: {path.relative_to(prefix)} cannot be made relocatable",
                    details={"reason": error},
                    hint="the build installs it; correct it with a patch",
                ) from None
            relocated = relocate_pkgconfig(text, shared=recipe.linkage is Linkage.SHARED)
            path.write_text(relocated, encoding="utf-8", newline="\n")
    write_library(describe_library(recipe, source), prefix)


def check_links(prefix: Path, recipe: ResolvedRecipe) -> None:
    """Raise BuildError for a link that leads out of an installed directory, and for anything but files, folders and links.

    Later steps read and write these paths, so a link to another place would make them read or write there.
    """
    for path in sorted(prefix.rglob("*")):
        name = path.relative_to(prefix).as_posix()
        if fault := find_name_fault(name):
            raise BuildError(
                f"{recipe.label}: the build installs a file whose path {fault}",
                details={"file": name[:200]},
                hint="rename it in what the build installs: the store does not read such names",
            )
        if path.is_symlink():
            if link_leads_out(name, str(path.readlink())):
                raise BuildError(
                    f"{recipe.label}: the build installs a link that leads out of the prefix",
                    details={"link": f"{name} -> {path.readlink()}"},
                    hint="install a relative link, or the file itself",
                )
        elif not (path.is_file() or path.is_dir()):
            raise BuildError(
                f"{recipe.label}: the build installs '{name}', which is neither a file, a folder nor a link",
                hint="remove it from what the build installs",
            )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def program_names(recipe: ResolvedRecipe) -> dict[str, str]:
    """Return the possible file names of a recipe's programs, each with the name of the program; scripts have no suffix."""
    suffixes = dict.fromkeys(("", recipe.target.system.program))
    return {f"{name}{suffix}": name for name in recipe.products.programs for suffix in suffixes}


def relocate_pkgconfig(text: str, *, shared: bool) -> str:
    """Return a .pc file whose prefix is relative to the file itself.

    A shared library contains its static requirements, which must not be linked a second time. Its requirements therefore
    become private ones: pkg-config uses only their compiler flags.
    """
    text = re.sub(r"^prefix\s*=.*$", "prefix=${pcfiledir}/../..", text, flags=re.M)
    text = text.replace(PREFIX + "/", "${prefix}/")
    if shared:
        public = re.search(r"^Requires\s*:(.*)$", text, re.M)
        private = re.search(r"^Requires\.private\s*:(.*)$", text, re.M)
        names = ", ".join(m[1].strip() for m in (public, private) if m is not None and m[1].strip())
        text = re.sub(r"^(Requires|Requires\.private|Libs\.private)\s*:.*\n?", "", text, flags=re.M)
        if names:
            text = f"{text.rstrip()}\nRequires.private: {names}\n"
    return text


def describe_library(recipe: ResolvedRecipe, source: Path) -> Library:
    """Return the facts about the library that a recipe builds, with the license texts in its source tree.

    Raises BuildError when a license file is not in `source`.
    """
    texts, titles = {}, [Path(name).name for name in recipe.license.files]
    for name in recipe.license.files:
        try:
            if leads_out(source / name, source):
                raise UnusableFile(source / name, "is a link that leads out of the source")
            title = Path(name).name if titles.count(Path(name).name) == 1 else name.replace("/", "-")
            texts[title] = read_file(source / name, _LARGEST_TEXT)
        except (UnusableFile, FileNotFoundError) as error:
            raise BuildError(
                f"{recipe.label}: the license file '{name}' is not in the source",
                details={"reason": error} if isinstance(error, UnusableFile) else {},
                hint="correct `files` in `license` of the recipe",
            ) from None
    return Library(
        name=recipe.name,
        version=recipe.version,
        license=recipe.license.spdx,
        linkage=recipe.linkage.value,
        requires=recipe.requires,
        files=tuple(f"lib{name}" for name in recipe.products.libraries),
        exports=recipe.products.exports or None,
        url=next(iter(recipe.source.urls), ""),
        sha256=recipe.source.sha256,
        patches=tuple(patch.name for patch in recipe.source.patches),
        texts=texts,
        features=recipe.features,
    )


def write_library(library: Library, prefix: Path) -> None:
    """Write a library's facts to `share/everywheel/<name>.json` and its license texts to `share/licenses/<name>/`."""
    facts = {name: value for name, value in asdict(library).items() if name != "texts"}
    record = prefix / "share" / "everywheel" / f"{library.name}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8", newline="\n")
    for name, text in library.texts.items():
        path = prefix / "share" / "licenses" / library.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def load_libraries(prefix: Path, *, exclude: Collection[str] = ()) -> tuple[Library, ...]:
    """Return the libraries in a prefix, sorted by name, without the recipes in `exclude` (the Python headers).

    Raises BuildError when the facts about a library cannot be read or when it has no license text.
    """
    records = sorted((prefix / "share" / "everywheel").glob("*.json"))
    return tuple(_load_library(path, prefix) for path in records if path.stem not in exclude)


def _load_library(record: Path, prefix: Path) -> Library:
    licenses = prefix / "share" / "licenses" / record.stem
    try:
        facts: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        lists = {name: tuple(value) for name, value in facts.items() if isinstance(value, list)}
        library = Library(**{**facts, **lists, "texts": _read_texts(licenses)})
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BuildError(
            f"{record.name} in the prefix cannot be read", details={"file": record, "reason": repr(error)}
        ) from None
    if not library.texts:
        raise BuildError(
            f"{library.name} {library.version}: no license text in the prefix",
            details={"folder": licenses},
            hint="list the files that contain it in `license.files` of its recipe",
        )
    return library


def _read_texts(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
