"""Two builds of one wheel by different compilers: what must be the same in both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.errors import AuditError, ReleaseError
from everywheel.release.compare_builds import BuildFingerprint, fingerprint_build, list_differences, name_before_graft
from everywheel.release.completeness import check_second
from everywheel.release.matrix import Job
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel

TAG = "cp311-abi3-any"
METADATA = b"Metadata-Version: 2.4\nName: x\nVersion: 1.0\nLicense-Expression: MIT\nLicense-File: LICENSE\n"
SHAPE = BuildFingerprint(
    files=frozenset({"x/__init__.py", "x/_x.abi3.so", "x.libs/libfoo.so.1"}),
    exports={"x/_x.abi3.so": frozenset({"PyInit__x"})},
    pythons=frozenset({"cp311-abi3"}),
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("x.libs/libfoo-1a2b3c4d.so.1.2", "x.libs/libfoo.so.1.2"),
        ("x.libs/libfoo-42-3b5e95e7245261947fc91694ae71ade6.dll", "x.libs/libfoo-42.dll"),
        ("x/.dylibs/libfoo.42.dylib", "x/.dylibs/libfoo.42.dylib"),
        ("x/.dylibs/libfoo-1a2b3c4d.42.dylib", "x/.dylibs/libfoo.42.dylib"),
        ("x/data-deadbeef.bin", "x/data-deadbeef.bin"),
        ("x.libs/libfoo-bar.so.1", "x.libs/libfoo-bar.so.1"),
    ],
)
def test_a_graft_goes_by_the_name_that_it_had(path: str, name: str) -> None:
    assert name_before_graft(path) == name


def test_builds_that_agree_have_no_differences() -> None:
    assert list_differences(SHAPE, replace(SHAPE)) == ()


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (replace(SHAPE, files=SHAPE.files - {"x/__init__.py"}), ["files: lacks x/__init__.py"]),
        (replace(SHAPE, files=SHAPE.files | {"x.libs/libgcc_s.so.1"}), ["files: has x.libs/libgcc_s.so.1 beside"]),
        (
            replace(SHAPE, exports={"x/_x.abi3.so": frozenset({"png_read"})}),
            ["exports of x/_x.abi3.so: lacks PyInit__x", "exports of x/_x.abi3.so: has png_read beside"],
        ),
        (
            replace(SHAPE, pythons=frozenset({"cp313-cp313"})),
            ["tags: lacks cp311-abi3", "tags: has cp313-cp313 beside"],
        ),
    ],
)
def test_every_difference_is_told(second: BuildFingerprint, said: list[str]) -> None:
    assert list(list_differences(SHAPE, second)) == said


def make_wheel(folder: Path, *, more: str = "", tags: str = TAG, license: bytes = b"MIT") -> Path:
    """A wheel of data alone, whose audit finds nothing."""
    python, abi, platforms = tags.split("-")
    lines = "".join(f"Tag: {python}-{abi}-{platform}\n" for platform in platforms.split("."))
    held = {
        "x/__init__.py": b"",
        "x-1.0.dist-info/METADATA": METADATA,
        "x-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: false\n{lines}".encode(),
        "x-1.0.dist-info/licenses/LICENSE": license,
        **({more: b""} if more else {}),
    }
    wheel = Wheel(
        name="x",
        version="1.0",
        build="",
        python="cp311",
        abi="abi3",
        platform=TAG.rpartition("-")[2],
        files={name: WheelFile(data=data) for name, data in held.items()},
    )
    return pack_wheel(wheel, folder, epoch=1577836800)


def make_jobs(*files: str) -> list[Job]:
    one = Job(
        name="zig-t",
        engine="zig",
        os="linux",
        target="t",
        runner="",
        native="",
        qemu=False,
        threaded=False,
        key="",
        near="",
        files=files,
    )
    return [one, replace(one, name="container-t", engine="container"), replace(one, name="sdist", engine="sdist")]


def test_a_wheel_is_taken_apart_into_its_shape(tmp_path: Path) -> None:
    content, _ = read_wheel_contents(make_wheel(tmp_path, more="x.libs/libfoo-1a2b3c4d.so.1"))

    assert content is not None
    shape = fingerprint_build(content)
    assert {"x/__init__.py", "x.libs/libfoo.so.1", "x-1.0.dist-info/RECORD"} < shape.files
    assert (shape.pythons, shape.exports) == (frozenset({"cp311-abi3"}), {})


def test_second_builds_that_agree_are_counted(tmp_path: Path) -> None:
    name = make_wheel(tmp_path / "zig-t").name
    make_wheel(tmp_path / "container-t", license=b"MIT, as others write it")

    assert check_second(make_jobs(name), tmp_path) == 1
    assert check_second(make_jobs(name)[::2], tmp_path) == 0


def test_a_second_build_with_other_files_stops_the_release(tmp_path: Path) -> None:
    name = make_wheel(tmp_path / "zig-t").name
    make_wheel(tmp_path / "container-t", more="x/extra.py")

    with pytest.raises(ReleaseError) as error:
        check_second(make_jobs(name), tmp_path)

    assert error.value.render().splitlines() == [
        "error: the second build is not what is released",
        f"  | container-t/{name}: files: has x/extra.py beside",
        "  hint: a compiler, or a condition in a recipe, makes the difference: that job's log has the build",
    ]


def test_a_second_build_with_findings_stops_the_release(tmp_path: Path) -> None:
    name = make_wheel(tmp_path / "zig-t").name
    make_wheel(tmp_path / "container-t", tags="cp313-cp313-any")

    with pytest.raises(AuditError) as error:
        check_second(make_jobs(name), tmp_path)

    assert error.value.fact == f"container-t/{name}: the audit has 1 finding"


def test_a_released_file_that_is_no_wheel_is_told(tmp_path: Path) -> None:
    name = make_wheel(tmp_path / "container-t").name
    (tmp_path / "zig-t").mkdir()
    (tmp_path / "zig-t" / name).write_text("")

    with pytest.raises(ReleaseError) as error:
        check_second(make_jobs(name), tmp_path)

    assert error.value.render().splitlines() == [
        f"error: {tmp_path / 'zig-t' / name} is no wheel",
        "  reason: not a zip archive: File is not a zip file",
        "  hint: read the log of the job that left it",
    ]
