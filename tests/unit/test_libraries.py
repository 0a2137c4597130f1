"""What a prefix says of its libraries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from everywheel.errors import BuildError
from everywheel.libraries.prefix import Library, load_libraries


def make_prefix(prefix: Path, **facts: object) -> Path:
    record = {"name": "foo", "version": "1.2", "license": "Zlib", "linkage": "shared", **facts}
    (prefix / "share" / "everywheel").mkdir(parents=True)
    (prefix / "share" / "everywheel" / "foo.json").write_text(json.dumps(record))
    (prefix / "share" / "licenses" / "foo" / "doc").mkdir(parents=True)
    (prefix / "share" / "licenses" / "foo" / "doc" / "COPYING").write_text("words")
    return prefix


def test_a_record_and_its_licence_texts_make_a_library(tmp_path: Path) -> None:
    prefix = make_prefix(
        tmp_path,
        libraries=["foo", "foomux"],
        exports=["foo_*"],
        requires=["bar"],
        features=["x"],
        url="https://example.org/foo.tgz",
        sha256="ab",
        patches=["one.patch"],
    )

    assert load_libraries(prefix) == (
        Library(
            name="foo",
            version="1.2",
            license="Zlib",
            linkage="shared",
            requires=("bar",),
            files=("libfoo", "libfoomux"),
            exports=("foo_*",),
            url="https://example.org/foo.tgz",
            sha256="ab",
            patches=("one.patch",),
            texts={"doc/COPYING": b"words"},
        ),
    )


def test_a_recipe_without_export_patterns_promises_nothing_about_exports(tmp_path: Path) -> None:
    assert load_libraries(make_prefix(tmp_path, exports=[]))[0].exports is None


def test_recipes_can_be_left_out(tmp_path: Path) -> None:
    assert load_libraries(make_prefix(tmp_path), leave_out=("foo",)) == ()


def test_a_library_without_a_licence_text_is_refused(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path)
    (prefix / "share" / "licenses" / "foo" / "doc" / "COPYING").unlink()

    with pytest.raises(BuildError) as caught:
        load_libraries(prefix)

    assert caught.value.render() == (
        "error: foo 1.2: no licence text in the prefix\n"
        f"  folder: {prefix / 'share' / 'licenses' / 'foo'}\n"
        "  hint: name the files that hold it in `license.files` of its recipe"
    )


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path)
    (prefix / "share" / "everywheel" / "foo.json").write_text('{"name": "foo"}')

    with pytest.raises(BuildError) as caught:
        load_libraries(prefix)

    assert caught.value.render() == (
        "error: foo.json in the prefix cannot be read\n"
        f"  file: {prefix / 'share' / 'everywheel' / 'foo.json'}\n"
        "  reason: KeyError('version')"
    )
