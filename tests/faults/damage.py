"""Seeded damage: to bytes, to JSON documents, and to the entries of a folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

HOSTILE_NAMES = (
    "/etc/passwd",
    "../../../../../../etc/passwd",
    "..",
    ".",
    "",
    "/",
    "a/../../b",
    "C:\\windows\\system32",
    "..\\..\\x",
    "name\x1b[31mred",
    "line\nbreak",
    "nul\0byte",
    "\u202egnp.exe",
    "\udcff",
    "x" * 300,
    "/".join(["d"] * 2000),
    "-rf",
    "~root",
    "$HOME",
    "con",
)


def damage_bytes(data: bytes, random: Random) -> bytes:
    """Return bytes with one to three kinds of damage: cut, changed, repeated, removed or replaced."""
    for _ in range(random.randint(1, 3)):
        data = random.choice(_BYTE_DAMAGES)(data, random)
    return data


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


def _flip(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 4, 64))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, random: Random) -> bytes:
    start = random.randint(0, len(data))
    return data[:start] + random.randbytes(random.randint(1, 64)) + data[start + random.randint(0, 64) :]


def _extreme(data: bytes, random: Random) -> bytes:
    """Replace an aligned integer by a value at a limit, which sizes, offsets and counts are sensitive to."""
    width = random.choice((2, 4, 8))
    value = random.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1))
    start = random.randint(0, len(data)) // width * width
    return data[:start] + (value & ((1 << 8 * width) - 1)).to_bytes(width, "little") + data[start + width :]


def _repeat(data: bytes, random: Random) -> bytes:
    start = random.randint(0, len(data))
    part = data[start : start + random.randint(1, 512)]
    return data[:start] + part * random.randint(2, 20) + data[start:]


def _replace_all(data: bytes, random: Random) -> bytes:
    return random.choice((b"", b"\0" * 512, b"\x7fELF", b"PK\x03\x04", random.randbytes(len(data) % 4096), data[::-1]))


_BYTE_DAMAGES: Sequence[Callable[[bytes, Random], bytes]] = (
    _cut,
    _flip,
    _flip,
    _overwrite,
    _extreme,
    _extreme,
    _repeat,
    _replace_all,
)


def damage_json(text: str, random: Random, names: Sequence[str] = HOSTILE_NAMES) -> str:
    """Return a JSON document with one to three wrong values, or with damage to the text itself."""
    if random.random() < 0.2:
        return random.choice(
            (
                "",
                "null",
                "[]",
                "{}",
                "1e999",
                '"text"',
                "[" * 100_000 + "]" * 100_000,
                '{"a":' * 50_000 + "1" + "}" * 50_000,
                "9" * 100_000,
                text[: len(text) // 2],
                text * 2,
                "\ufeff" + text,
                text.replace('"', "'"),
            )
        )
    document = json.loads(text)
    for _ in range(random.randint(1, 3)):
        parent, key = _choose_value(document, random)
        if parent is None:
            break
        action = random.random()
        if action < 0.15:
            del parent[key]
        elif action < 0.25 and isinstance(parent, dict):
            parent[random.choice(names)] = _make_value(random, names)
        else:
            parent[key] = _make_value(random, names)
    return json.dumps(document)


def _choose_value(document: Any, random: Random) -> tuple[Any, Any]:
    """Return a random container of a document and one of its keys or indexes."""
    values: list[tuple[Any, Any]] = []
    containers = [document]
    while containers:
        container = containers.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        values += [(container, key) for key in keys]
        containers += [container[key] for key in keys if isinstance(container[key], dict | list)]
    return random.choice(values) if values else (None, None)


def _make_value(random: Random, names: Sequence[str]) -> Any:
    others: tuple[Any, ...] = (
        None,
        True,
        0,
        -1,
        1 << 70,
        1.5,
        float("inf"),
        float("nan"),
        [],
        {},
        [[[]]],
        {"a": 1},
        "",
    )
    return random.choice(names) if random.random() < 0.6 else random.choice(others)


def damage_entry(path: Path, random: Random, outside: Path) -> str:
    """Damage a file, folder or link in place, and return a description; `outside` is a folder that links may lead to."""
    kinds = ["remove", "folder", "file", "link out", "dangling link", "link loop", "fifo", "closed"]
    if path.is_file() and not path.is_symlink():
        kinds += ["content"] * 8
    kind = random.choice(kinds)
    if kind == "content":
        path.write_bytes(damage_bytes(path.read_bytes(), random))
        return f"{kind} of {path.name}"
    if kind == "closed":
        if not path.is_symlink():
            path.chmod(0)
        return f"no permissions for {path.name}"
    _remove(path)
    match kind:
        case "folder":
            (path / "folder").mkdir(parents=True)
        case "file":
            path.write_text("a file\n")
        case "link out":
            path.symlink_to(random.choice((outside, outside / "folder", outside / "passwd")))
        case "dangling link":
            path.symlink_to(outside / "missing")
        case "link loop":
            path.symlink_to(path.name)
        case "fifo":
            os.mkfifo(path)
    return f"{kind} instead of {path.name}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
