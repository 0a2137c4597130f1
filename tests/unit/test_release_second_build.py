"""Comparing two builds of one wheel by different compilers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.errors import AuditError, ReleaseError
from everywheel.release.compare_builds import BuildFingerprint, fingerprint_build, list_differences, remove_graft_hash
from everywheel.release.completeness import check_second_build
from everywheel.release.matrix import Job
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel

TAG = "cp311-abi3-any"
METADATA = b"Metadata-Version: 2.4\nName: x\nVersion: 1.0\nLicense-Expression: MIT\nLicense-File: LICENSE\n"
FINGERPRINT = BuildFingerprint(
    files=frozenset({"x/__init__.py", "x/_x.abi3.so", "x.libs/libfoo.so.1"}),
    exports={"x/_x.abi3.so": frozenset({"PyInit__x"})},
    pythons=frozenset({"cp311-abi3"}),
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("x.libs/libfoo-1a2b3c4d.so.1.2", "x.libs/libfoo.so.1.2"),
        ("x/.dylibs/libfoo-1a2b3c4d.42.dylib", "x/.dylibs/libfoo.42.dylib"),
        ("x/data-deadbeef.bin", "x/data-deadbeef.bin"),
    ],
)
def test_a_grafted_library_is_compared_by_its_original_name(path: str, name: str) -> None:
    assert remove_graft_hash(path) == name


def test_builds_that_agree_have_no_differences() -> None:
    assert list_differences(FINGERPRINT, replace(FINGERPRINT)) == ()


@pytest.mark.parametrize(
    ("second", "differences"),
    [
        (replace(FINGERPRINT, files=FINGERPRINT.files - {"x/__init__.py"}), ["files: missing x/__init__.py"]),
        (
            replace(FINGERPRINT, files=FINGERPRINT.files | {"x.libs/libgcc_s.so.1"}),
            ["files: additional x.libs/libgcc_s.so.1"],
        ),
        (
            replace(FINGERPRINT, exports={"x/_x.abi3.so": frozenset({"png_read"})}),
            ["exports of x/_x.abi3.so: missing PyInit__x", "exports of x/_x.abi3.so: additional png_read"],
        ),
        (
            replace(FINGERPRINT, pythons=frozenset({"cp313-cp313"})),
            ["tags: missing cp311-abi3", "tags: additional cp313-cp313"],
        ),
    ],
)
def test_every_difference_is_listed(second: BuildFingerprint, differences: list[str]) -> None:
    assert list(list_differences(FINGERPRINT, second)) == differences


def make_wheel(folder: Path, *, extra: str = "", tags: str = TAG, license: bytes = b"MIT") -> Path:
    """Pack a wheel without compiled files and without audit findings."""
    python, abi, platforms = tags.split("-")
    lines = "".join(f"Tag: {python}-{abi}-{platform}\n" for platform in platforms.split("."))
    content = {
        "x/__init__.py": b"",
        "x-1.0.dist-info/METADATA": METADATA,
        "x-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\n{lines}".encode(),
        "x-1.0.dist-info/licenses/LICENSE": license,
        **({extra: b""} if extra else {}),
    }
    wheel = Wheel(
        name="x",
        version="1.0",
        build="",
        python="cp311",
        abi="abi3",
        platform=TAG.rpartition("-")[2],
        files={name: WheelFile(data=data) for name, data in content.items()},
    )
    return pack_wheel(wheel, folder, epoch=1577836800)


def make_jobs(*files: str) -> list[Job]:
    job = Job(
        name="zig-t",
        engine="zig",
        os="linux",
        target="t",
        runner="",
        native="",
        qemu=False,
        free_threaded=False,
        key="",
        key_prefix="",
        files=files,
    )
    return [job, replace(job, name="container-t", engine="container"), replace(job, name="sdist", engine="sdist")]


def test_the_fingerprint_of_a_wheel_has_files_and_tags(tmp_path: Path) -> None:
    content, _ = read_wheel_contents(make_wheel(tmp_path, extra="x.libs/libfoo-1a2b3c4d.so.1"))

    assert content is not None
    fingerprint = fingerprint_build(content)
    assert {"x/__init__.py", "x.libs/libfoo.so.1", "x-1.0.dist-info/RECORD"} < fingerprint.files
    assert (fingerprint.pythons, fingerprint.exports) == (frozenset({"cp311-abi3"}), {})


def test_second_builds_that_agree_are_counted(tmp_path: Path) -> None:
    name = make_wheel(tmp_path / "zig-t").name
    make_wheel(tmp_path / "container-t", license=b"MIT, another text")

    assert check_second_build(make_jobs(name), tmp_path) == 1
    assert check_second_build(make_jobs(name)[::2], tmp_path) == 0


def test_a_second_build_with_other_files_stops_the_release(tmp_path: Path) -> None:
    name = make_wheel(tmp_path / "zig-t").name
    make_wheel(tmp_path / "container-t", extra="x/extra.py")

    with pytest.raises(ReleaseError) as error:
        check_second_build(make_jobs(name), tmp_path)

    assert error.value.render().splitlines() == [
        "error: the second build differs from the released wheels",
        f"  | container-t/{name}: files: additional x/extra.py",
        "  hint: the cause is a compiler or a condition in a recipe: read the log of the job",
    ]


def test_a_second_build_with_findings_stops_the_release(tmp_path: Path) -> None:
    name = make_wheel(tmp_path / "zig-t").name
    make_wheel(tmp_path / "container-t", tags="cp313-cp313-any")

    with pytest.raises(AuditError) as error:
        check_second_build(make_jobs(name), tmp_path)

    assert error.value.fact == f"container-t/{name}: the audit has 1 finding"


def test_a_released_file_that_is_not_a_wheel_is_named(tmp_path: Path) -> None:
    name = make_wheel(tmp_path / "container-t").name
    (tmp_path / "zig-t").mkdir()
    (tmp_path / "zig-t" / name).write_text("")

    with pytest.raises(ReleaseError) as error:
        check_second_build(make_jobs(name), tmp_path)

    assert error.value.render().splitlines() == [
        f"error: {tmp_path / 'zig-t' / name} is not a wheel",
        "  reason: not a zip archive: it has no directory at its end",
        "  hint: read the log of the job that built it",
    ]
