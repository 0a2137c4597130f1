"""The text of a recipe with other pins: comments, order and spelling of everything else stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any, cast

import tomlkit
from tomlkit.items import AoT, Array, InlineTable, Table

from everywheel.config.source import OmittedPatch
from everywheel.errors import UsageError
from everywheel.sources.distro.apt import ListedFile
from everywheel.sources.package_state import find_pinned_packaging
from everywheel.sources.update import PatchPin, RecipeUpdate


def rewrite_recipe(text: str, update: RecipeUpdate, sha1: Mapping[str, str]) -> str:
    """Return the text of a recipe with the pins of an update.

    `sha1` has the hashes by which the distribution's snapshot service has the new files, by their sha256.
    """
    document = tomlkit.parse(text)
    source = cast(Table, document["source"])
    if update.changes_version:
        _set(document, "version", update.version)
        urls = cast(MutableSequence[str], source.get("urls", []))
        for number, url in enumerate(urls):
            urls[number] = respell(url, update.recipe.version, update.version)
    _pin_file(source, update.archive.name, update, update.archive.sha256, update.archive.size, sha1)
    _rewrite_packaging(source, update, sha1)
    return tomlkit.dumps(document)


def respell(url: str, old: str, new: str) -> str:
    """Return a URL with another version where it has the old one in its own spelling: `R_2_8_3`, `/2.84/`.

    The placeholder `{version}` needs no change.
    """
    spellings: list[tuple[str, str]] = [(old, new)]
    spellings += [(old.replace(".", separator), new.replace(".", separator)) for separator in "_-"]
    for before, after in dict(spellings).items():
        url = re.sub(rf"(?<![0-9]){re.escape(before)}(?![0-9])", after, url)
    series, next_series = (".".join(version.split(".")[:2]) for version in (old, new))
    return url.replace(f"/{series}/", f"/{next_series}/")


def _pin_file(
    table: MutableMapping[str, Any], name: str, update: RecipeUpdate, sha256: str, size: int, sha1: Mapping[str, str]
) -> None:
    """Write the name, the hashes and the size of a file of the source package."""
    debian = table["debian"]
    if str(debian["file"]).replace("{version}", update.version) != name:
        _set(debian, "file", name.replace(update.version, "{version}"))
    if sha256 in sha1:
        _set(table, "sha1", sha1[sha256])
    _set(table, "sha256", sha256)
    _set(table, "size", size)


def _set(table: MutableMapping[str, Any], key: str, value: str | int) -> None:
    """Set a value unless it is the same; tomlkit keeps the comment behind it."""
    if table.get(key) != value:
        table[key] = value


def _rewrite_packaging(source: Table, update: RecipeUpdate, sha1: Mapping[str, str]) -> None:
    """Change, add or remove the table of the packaging, and the lists in it."""
    old, new = find_pinned_packaging(update.recipe), update.packaging
    kind = "patches" if new is not None and new.name.endswith(".diff.gz") else "patch-archives"
    table: Table | None = None
    for name in ("patch-archives", "patches"):
        for entry in list(source.get(name, [])):
            if old is not None and entry["sha256"] == old.sha256:
                if new is not None and name == kind:
                    table = entry
                else:
                    _remove(source, name, entry)
    if new is None:
        return
    if table is None:
        table = _add(source, kind, update, new)
    _pin_file(table, new.name, update, new.sha256, new.size, sha1)
    if kind == "patch-archives":
        _rewrite_list(table, "patches", [(pin.file, _make_patch(pin)) for pin in update.patches])
        _rewrite_list(table, "omit", [(omitted.file, _make_omitted(omitted)) for omitted in update.omitted])


def _remove(source: Table, name: str, entry: Table) -> None:
    """Remove one table of an array, and the array with its last table; the comments behind it are about what follows."""
    lines = entry.as_string().splitlines(keepends=True)
    end = next(
        number for number in range(len(lines), 0, -1) if lines[number - 1].strip() and lines[number - 1][0] != "#"
    )
    tables = cast(AoT, source[name])
    number = next(number for number, table in enumerate(tables) if table is entry)
    if len(tables) == 1:
        source.remove(name)
    else:
        del tables[number]
    behind = "".join(lines[end:])
    if "#" in behind:
        previous = tables[number - 1] if number else source
        previous.add(tomlkit.ws(behind.lstrip("\n") if not number else behind))


def _add(source: Table, kind: str, update: RecipeUpdate, new: ListedFile) -> Table:
    """Add a table with the keys in their usual order."""
    name = f"name = {_quote(new.name)}\n" if kind == "patches" else ""
    file, package = _quote(new.name.replace(update.version, "{version}")), _quote(update.revision.package)
    text = (
        f"[[source.{kind}]]\n{name}debian = {{ package = {package}, file = {file} }}\n"
        f'sha1 = ""\nsha256 = ""\nsize = 0\n{"patches = []" if kind == "patch-archives" else ""}\n'
    )
    added = cast(Table, tomlkit.parse(text)["source"])[kind]
    if kind in source:
        cast(AoT, source[kind]).append(added[0])
    else:
        source.add(kind, added)
    return cast(AoT, source[kind])[-1]


def _rewrite_list(table: Table, key: str, items: Sequence[tuple[str, InlineTable]]) -> None:
    """Replace an array of inline tables; an entry that stays keeps its keys, and the comments before and behind it."""
    if not items:
        table.pop(key, None)
        return
    blocks = _split(table.get(key))
    lines: list[str] = []
    for file, item in items:
        comments, entry, comment = blocks.get(file, ([], item, ""))
        for name in ("sha256", "size"):
            if name in item:
                _set(entry, name, item[name])
        lines += [*comments, f"    {entry.as_string().strip()},{f' {comment}' if comment else ''}"]
    table[key] = _parse("\n".join(["[", *lines, "]"]))


def _split(array: Array | None) -> dict[str, tuple[list[str], InlineTable, str]]:
    """Return the entries of an array by file, with the lines of comments before them and the comment behind them.

    Raises UsageError for an array that does not have one entry a line.
    """
    blocks: dict[str, tuple[list[str], InlineTable, str]] = {}
    comments: list[str] = []
    for line in [] if array is None else array.as_string().splitlines()[1:-1]:
        text = line.strip()
        if not text.startswith("{"):
            comments.append(line)
            continue
        single = _parse(f"[\n{text}\n]")
        blocks[str(single[0]["file"])] = (comments, single[0], text[len(single[0].as_string()) :].lstrip(", "))
        comments = []
    if array is not None and len(blocks) != len(array):
        raise UsageError(
            "a list of patches does not have one entry a line, so its comments have no place",
            details={"begins with": array.as_string()[:80]},
            hint="write `[`, each `{ file = … },` and `]` on a line of its own",
        )
    return blocks


def _make_patch(pin: PatchPin) -> InlineTable:
    name = f" name = {_quote(pin.name)}," if pin.name else ""
    fixes = f", fixes = [{', '.join(map(_quote, pin.fixes))}]" if pin.fixes else ""
    return cast(
        InlineTable, _parse(f'{{ file = {_quote(pin.file)},{name} sha256 = "{pin.sha256}", size = {pin.size}{fixes} }}')
    )


def _make_omitted(omitted: OmittedPatch) -> InlineTable:
    return cast(InlineTable, _parse(f"{{ file = {_quote(omitted.file)}, reason = {_quote(omitted.reason)} }}"))


def _parse(text: str) -> Any:
    """Return a value with the formatting that it has in a text."""
    return tomlkit.parse(f"value = {text}")["value"]


def _quote(text: str) -> str:
    """Return a text as TOML; the names of files and packages come from the archives of others."""
    return tomlkit.string(text).as_string()
