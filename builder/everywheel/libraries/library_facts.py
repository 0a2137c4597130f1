"""The libraries in a prefix: the facts about each one and its license texts, as they are written and read.

A repair reads them to describe the libraries that become part of a wheel.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from everywheel.archives.refusal import find_name_fault
from everywheel.config.text_rules import RECIPE_NAME, VERSION
from everywheel.errors import BuildError
from everywheel.execution.input_files import UnusableFile, is_utf8, leads_out, list_files, read_file, read_text

_LARGEST_TEXT = 16 << 20  # bytes of a license text or a record
_LARGEST_FILE = 4 << 30  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The facts about one library in a prefix.

    `license` is an SPDX expression, `linkage` is `shared` or `static`, `files` are the names of its shared objects without
    suffix and version (`libvips`), `exports` are glob patterns of the symbols that it may export (None: its recipe
    declares none), `texts` its license texts by file name. `url`, `sha256` and `patches` identify its source; `cpe` is the
    vendor and the product of its CPE, `packaging` the package URL of the distribution's source package that it is built from.
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
    cpe: str = ""
    packaging: str = ""
    texts: Mapping[str, bytes] = field(default_factory=dict)
    features: tuple[str, ...] = field(default=(), repr=False)


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


def write_file_list(name: str, prefix: Path) -> None:
    """Write the paths of all files that a library installs to `share/everywheel/<name>.files`, each ended by a NUL."""
    files = sorted(path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if path.is_file())
    path = prefix / "share" / "everywheel" / f"{name}.files"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(os.fsencode(f"{file}\0") for file in files))


def find_installers(prefix: Path, files: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the libraries that install one of some files of a prefix, each with those files.

    Raises BuildError when a list of installed files cannot be read.
    """
    lists = [path for path in list_prefix_files(prefix, "share/everywheel") if path.suffix == ".files"]
    installed = {path.stem: {*os.fsdecode(read_prefix_file(path)).split("\0")} for path in lists}
    return {name: tuple(own) for name, paths in installed.items() if (own := sorted(paths & {*files}))}


def list_prefix_files(prefix: Path, folder: str) -> list[Path]:
    """Return the files directly in a folder of a prefix, sorted by name; links are followed, and missing folders are empty.

    Raises BuildError, which names the path, for a folder that cannot be read and for anything but files and folders in it.
    """
    if not (prefix / folder).exists():
        return []
    try:
        return [file.path for file in list_files(prefix / folder) if "/" not in file.name]
    except UnusableFile as error:
        raise _refuse_prefix(error) from None


def read_prefix_file(path: Path) -> bytes:
    """Return the content of a file of a prefix; raise BuildError, which names it, if it cannot be read."""
    try:
        return read_file(path, _LARGEST_FILE)
    except (UnusableFile, FileNotFoundError) as error:
        raise _refuse_prefix(error) from None


def _refuse_prefix(reason: Exception) -> BuildError:
    return BuildError(
        "the prefix cannot be used",
        details={"reason": reason},
        hint="`everywheel deps --output-dir DIR` writes a new prefix; name an empty directory",
    )


def load_libraries(prefix: Path, *, exclude: Collection[str] = ()) -> tuple[Library, ...]:
    """Return the libraries in a prefix, sorted by name, without the recipes in `exclude` (the Python headers).

    Raises BuildError when the facts about a library cannot be read or when it has no license text. Facts and license texts
    become part of wheels, so neither may be a link that leads out of the prefix.
    """
    records = [path for path in list_prefix_files(prefix, "share/everywheel") if path.suffix == ".json"]
    return tuple(_load_library(path, prefix) for path in records if path.stem not in exclude)


def _load_library(record: Path, prefix: Path) -> Library:
    licenses = prefix / "share" / "licenses" / record.stem
    try:
        if leads_out(record, prefix):
            raise UnusableFile(record, "is a link that leads out of the prefix")
        facts = _read_facts(read_text(record, _LARGEST_TEXT))
        if facts["name"] != record.stem:
            raise ValueError(f"'name' is '{facts['name']}'")
        library = Library(**facts, texts=_read_texts(licenses, prefix))
    except (UnusableFile, FileNotFoundError, ValueError) as error:
        raise BuildError(
            f"{record.name} in the prefix cannot be read",
            details={"file": record, "reason": error},
            hint="`everywheel deps --output-dir DIR` writes a new prefix; name an empty directory",
        ) from None
    if not library.texts:
        raise BuildError(
            f"{library.name} {library.version}: no license text in the prefix",
            details={"folder": licenses},
            hint="list the files that contain it in `license.files` of its recipe",
        )
    return library


def _read_facts(text: str) -> dict[str, Any]:
    """Return the fields of a library in a record; raise ValueError, with the reason, for a record of another form."""
    try:
        facts = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg[:1].lower()}{error.msg[1:]} in line {error.lineno}") from None
    except ValueError:
        raise ValueError("not JSON: a number has too many digits") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(facts, dict):
        raise ValueError("not a JSON object")
    names = {key.name: key for key in fields(Library) if key.name != "texts"}
    for name in facts:
        if name not in names:
            raise ValueError(f"unknown key '{name}'")
    for name, key in names.items():
        if name not in facts and key.default is MISSING:
            raise ValueError(f"no key '{name}'")
        value, is_text = facts.get(name, key.default), key.type == "str"
        if is_text and not isinstance(value, str):
            raise ValueError(f"'{name}' is not a string")
        is_list = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        if not is_text and not is_list and not (name == "exports" and value is None):
            raise ValueError(f"'{name}' is not a list of strings")
        if not all(map(is_utf8, [value] if is_text else value or ())):
            raise ValueError(f"'{name}' contains a surrogate")
    for name, rule in (("name", RECIPE_NAME), ("version", VERSION)):
        if not rule.accepts(facts[name]):
            raise ValueError(f"'{name}' is not {rule.description}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}


def _read_texts(folder: Path, prefix: Path) -> dict[str, bytes]:
    if not folder.exists():
        return {}
    if leads_out(folder, prefix):
        raise UnusableFile(folder, "is a link that leads out of the prefix")
    files = list_files(folder, within=prefix)
    for file in files:
        if fault := find_name_fault(file.name, windows=True):
            raise UnusableFile(file.path, f"the name {fault}")
    return {file.name: read_file(file.path, _LARGEST_TEXT) for file in files}
