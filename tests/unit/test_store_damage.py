"""Damaged stores: what cannot be used is reported, replaced or removed, and nothing outside is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from everywheel.cli.main import main
from everywheel.errors import MachineError
from everywheel.execution.files import remove_path
from everywheel.store.damage import find_damage, remove_damage
from everywheel.store.entry import InvalidRecord, read_record
from everywheel.store.layout import FOLDERS
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir

KEY = "ab" * 32
WHEEL = "foo-1.0-cp311-abi3-manylinux_2_17_x86_64.whl"
CANARY = "must stay"


class Example:
    """A store with an artifact and a wheel, and a directory `outside` with files that must not change."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "store")
        self.outside = folder / "outside"
        self.outside.mkdir()
        for name in (WHEEL, f"{KEY}.json", f"{KEY}.tar.gz", "passwd"):
            (self.outside / name).write_text(CANARY)
        (folder / WHEEL).write_bytes(b"wheel")
        self.wheel = self.store.put_wheel(KEY, folder / WHEEL, name="foo", version="1.0", target="t")

    @property
    def record(self) -> Path:
        return self.store.record(KEY)

    def change(self, **values: object) -> None:
        facts: dict[str, Any] = {**json.loads(self.record.read_text()), **values}
        self.record.write_text(json.dumps(facts))

    def run(self, *args: str) -> Result:
        result = CliRunner(env={"EVERYWHEEL_STORE": str(self.store.root)}).invoke(main, args)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def assert_outside_is_unchanged(self) -> None:
        contents = {path.name: path.read_text() for path in self.outside.iterdir()}
        assert contents == dict.fromkeys((WHEEL, f"{KEY}.json", f"{KEY}.tar.gz", "passwd"), CANARY)


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example(tmp_path)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"file": "/etc/passwd"}, "the file name is not that of a wheel"),
        ({"file": f"../../outside/{WHEEL}"}, "the record names a file that is not its own"),
        ({"file": f"wheels/{KEY}/../../../outside/{WHEEL}"}, "the record names a file that is not its own"),
        ({"file": f"wheels/{'cd' * 32}/{WHEEL}"}, "the record names a file that is not its own"),
        ({"file": 7}, "the file name is not that of a wheel"),
        ({"file": f"wheels/{KEY}/x\n-1.0-py3-none-any.whl"}, "the file name is not that of a wheel"),
        ({"kind": "artifact"}, "the record names a file that is not its own"),
        ({"kind": "source"}, "the record has no valid kind"),
        ({"kind": ["wheel"]}, "the record has no valid kind"),
        ({"key": "../" * 10}, "the record has another key"),
        ({"sha256": "x"}, "the record has no valid sha256"),
        ({"sha256": None}, "the record has no valid sha256"),
        ({"size": "5"}, "the record has no valid size"),
        ({"size": True}, "the record has no valid size"),
        ({"size": -1}, "the record has no valid size"),
        ({"size": 6}, "the file is not a regular one of the recorded size"),
        ({"created": float("nan")}, "the record has no valid time"),
        ({"created": "now"}, "the record has no valid time"),
        ({"name": 1}, "the record has no valid name"),
        ({"name": "\x1b[31mred"}, "the record has no valid name"),
        ({"version": "1\n2"}, "the record has no valid version"),
        ({"target": ""}, "the record has no valid target"),
        ({"target": "x" * 300}, "the record has no valid target"),
    ],
)
def test_a_record_with_another_value_is_damage_and_only_the_entry_is_removed(
    example: Example, values: dict[str, object], reason: str
) -> None:
    example.change(**values)

    assert example.store.find(KEY) is None
    (damage,) = find_damage(example.store)
    assert damage.reason == f"is damaged: {reason}"
    # Only the size is a property of the wheel; with any other value the record itself is wrong.
    wheel = example.store.root / "wheels" / KEY / WHEEL
    assert damage.path == (wheel if values == {"size": 6} else example.record)
    assert remove_damage(example.store, [damage]) == [damage]
    assert find_damage(example.store) == []
    assert not example.record.exists()
    example.assert_outside_is_unchanged()


def write_folder(record: Path) -> None:
    record.mkdir()
    (record / "file").touch()


RECORDS: dict[str, Callable[[Path], object]] = {
    "a directory": write_folder,
    "a dangling link": lambda record: record.symlink_to("nowhere"),
    "a link to a file outside": lambda record: record.symlink_to(record.parents[2] / "outside" / f"{KEY}.json"),
    "a link to a directory outside": lambda record: record.symlink_to(record.parents[2] / "outside"),
    "a named pipe": os.mkfifo,
    "nested": lambda record: record.write_text("[" * 100_000),
    "nested below the limit": lambda record: record.write_text("[" * 60_000),
    "huge": lambda record: record.write_bytes(b" " * (1 << 17)),
    "not UTF-8": lambda record: record.write_bytes(b'{"key": "\xff"}'),
    "empty": lambda record: record.touch(),
    "a number": lambda record: record.write_text("7"),
    "an array": lambda record: record.write_text("[]"),
    "an empty object": lambda record: record.write_text("{}"),
    "a huge number": lambda record: record.write_text('{"size": ' + "9" * 5000 + "}"),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_that_is_something_else_is_replaced_by_the_next_build(
    example: Example, kind: str, tmp_path: Path
) -> None:
    example.record.unlink()
    RECORDS[kind](example.record)

    with pytest.raises(InvalidRecord):
        read_record(example.record)
    assert example.store.find(KEY) is None
    assert example.run("store", "list").exit_code == 0
    assert example.run("store", "verify").exit_code == 1
    entry = example.store.put_wheel(KEY, tmp_path / WHEEL, name="foo", version="1.0", target="t")

    assert example.store.find(KEY) == entry
    assert find_damage(example.store) == []
    example.assert_outside_is_unchanged()


@pytest.mark.parametrize("kind", RECORDS)
def test_gc_removes_a_record_that_is_something_else(example: Example, kind: str) -> None:
    example.record.unlink()
    RECORDS[kind](example.record)

    assert example.run("store", "gc", "--damaged").output.endswith("1 damaged removed\n")
    assert not os.path.lexists(example.record)
    assert not (example.store.root / "wheels" / KEY).exists()
    example.assert_outside_is_unchanged()


@pytest.mark.parametrize("command", [["store", "gc", "--damaged"], ["store", "gc", "--all", "--older-than", "0"]])
@pytest.mark.parametrize("linked", ["file", "directory", "artifact"])
def test_links_in_a_store_are_removed_and_not_followed(example: Example, linked: str, command: list[str]) -> None:
    wheel = example.store.path(example.wheel)
    if linked == "file":
        wheel.unlink()
        wheel.symlink_to(example.outside / WHEEL)
    elif linked == "directory":
        remove_path(wheel.parent)
        wheel.parent.symlink_to(example.outside)
    else:
        (example.store.root / "artifacts" / f"{KEY}.tar.gz").symlink_to(example.outside / f"{KEY}.tar.gz")

    assert (example.store.find(KEY) is None) == (linked != "artifact")
    assert example.run(*command).exit_code == 0
    example.assert_outside_is_unchanged()


@pytest.mark.parametrize("kind", ["file", "dangling link", "link"])
@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_or_link_with_the_name_of_a_directory_blocks_no_repairing_command(
    example: Example, name: str, kind: str
) -> None:
    folder = example.store.root / name
    remove_path(folder)
    if kind == "file":
        folder.write_text("")
    else:
        folder.symlink_to("nowhere" if kind == "dangling link" else example.outside)
    is_shared = kind == "link" and name in ("sources", "tools", "zig")

    if not is_shared:
        with pytest.raises(MachineError, match="a directory of the store cannot be used"):
            Store(example.store.root)
    assert example.run("store", "list").exit_code == 0
    assert example.run("store", "verify").exit_code == (0 if is_shared and name != "sources" else 1)
    assert example.run("store", "gc", "--damaged").exit_code == 0
    assert example.run("store", "gc", "--all", "--older-than", "0").exit_code == 0
    assert Store(example.store.root).entries() == []
    example.assert_outside_is_unchanged()


def test_a_lock_that_is_a_directory_or_a_link_is_replaced(example: Example) -> None:
    locks = example.store.root / "locks"
    (locks / KEY).mkdir()
    (locks / "other").symlink_to(example.outside / "passwd")

    for key in (KEY, "other"):
        with example.store.lock(key):
            assert (locks / key).is_file()
    example.assert_outside_is_unchanged()


def test_sources_with_other_bytes_and_other_kinds_are_damage(example: Example) -> None:
    sources = example.store.root / "sources"
    (sources / KEY).write_text("other")
    (sources / "folder").mkdir()
    (sources / "link").symlink_to(example.outside / "passwd")
    os.mkfifo(sources / "pipe")

    damage = find_damage(example.store)

    assert [f"{item.label} {item.reason}" for item in damage] == [
        f"source {KEY} has another sha256",
        "source folder is not a regular file",
        "source link has another sha256",
        "source pipe is not a regular file",
    ]
    assert remove_damage(example.store, damage) == damage
    assert list(sources.iterdir()) == []
    example.assert_outside_is_unchanged()


def test_verify_lists_damage_as_json(example: Example) -> None:
    example.store.path(example.wheel).write_bytes(b"wheep")

    result = example.run("store", "verify", "--json")

    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "checked": {"entries": 1, "sources": 0, "resolutions": 0, "tools": 0, "tool files": 0},
        "damaged": [
            {
                "label": "wheel foo 1.0 for t",
                "reason": "is damaged: the content has another sha256",
                "path": f"wheels/{KEY}/{WHEEL}",
                "key": KEY,
            }
        ],
    }


def test_verify_counts_what_it_has_checked(example: Example) -> None:
    def fill(path: Path) -> None:
        (path / "bin").mkdir()
        for name in ("bin/ninja", "bin/meson", "readme"):
            (path / name).write_text(name)

    ensure_stamped_dir(example.store.root / "tools" / "ninja-1", fill, title="ninja")

    result = example.run("store", "verify")

    assert result.output == ("1 entry, 0 sources, 0 resolutions and 3 files of 1 installed tool are intact\n")


def test_an_entry_that_a_process_builds_again_is_kept(example: Example) -> None:
    example.store.path(example.wheel).write_bytes(b"wheep")

    with example.store.lock(KEY):
        assert example.store.drop_damaged(KEY)
        assert example.record.exists()
    assert example.store.drop_damaged(KEY)
    assert not example.record.exists()


def test_a_tree_of_any_depth_is_removed(tmp_path: Path) -> None:
    tree, here = tmp_path / "tree", Path.cwd()
    tree.mkdir()
    os.chdir(tree)
    try:
        for _ in range(1200):
            Path("d").mkdir()
            os.chdir("d")
        Path("file").touch()
    finally:
        os.chdir(here)

    remove_path(tree)

    assert list(tmp_path.iterdir()) == []
