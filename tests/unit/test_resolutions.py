"""Resolutions in a store: what was changed after it was recorded is not used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from everywheel.config.pins import Pin, digest_pins
from everywheel.store.local import Store
from everywheel.wheels.resolutions import (
    find_damaged_resolutions,
    list_resolution,
    read_resolution,
    write_resolution,
)

PINS = (
    Pin(name="meson", version="1.12.1", hashes=("ab" * 32,), marker=""),
    Pin(name="packaging", version="26.3", hashes=("cd" * 32, "ef" * 32), marker='python_version < "3.12"'),
)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = Store(tmp_path / "store").root / "resolutions" / f"requirements-{'0' * 32}.txt"
    write_resolution(path, PINS)
    return path


def test_a_recorded_resolution_is_read(record: Path) -> None:
    assert read_resolution(record) == PINS


@pytest.mark.parametrize(
    ("old", "new"),
    [("ab" * 32, "ba" * 32), ("26.3", "26.4"), ("packaging==26.3", "# "), ("# sha256", "# SHA256"), ("meson", "\\")],
)
def test_a_changed_resolution_is_not_used(record: Path, old: str, new: str) -> None:
    text = record.read_text()
    assert old in text
    record.write_text(text.replace(old, new))
    (damage,) = find_damaged_resolutions(Store(record.parents[1]))

    assert (damage.label, damage.path) == ("resolution requirements-000000000000", record)
    assert read_resolution(record) is None
    assert not record.exists()


def test_a_resolution_of_an_earlier_version_or_another_kind_is_not_used(record: Path) -> None:
    record.write_text(record.read_text().partition("\n")[2])
    assert read_resolution(record) is None
    os.mkfifo(record)
    assert read_resolution(record) is None
    record.mkdir()
    assert read_resolution(record) is None
    assert not record.exists()


def test_a_listed_resolution_has_the_hash_of_its_name(record: Path) -> None:
    store = Store(record.parents[1])
    list_resolution(PINS, store)
    file = record.parent / f"{digest_pins(PINS)}.txt"
    assert list(find_damaged_resolutions(store)) == []
    file.write_text(file.read_text().replace("ab" * 32, "ba" * 32))

    (damage,) = find_damaged_resolutions(store)

    assert (damage.reason, damage.path) == ("is damaged: it has another sha256", file)
