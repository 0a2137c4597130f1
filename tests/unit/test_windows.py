"""Differences on Windows: archives and import libraries, python3.dll, and the names of grafted DLLs."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest
from everywheel.config.recipe import Linkage
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.recipe_resolver import resolve_recipe
from everywheel.errors import BuildError
from everywheel.libraries.features import resolve_link_flag
from everywheel.libraries.library_facts import Library
from everywheel.libraries.prefix import normalize_prefix
from everywheel.libraries.products import check_products, list_spellings
from everywheel.platforms.target import parse_target
from everywheel.repair import match_grafts
from everywheel.wheels.build_details import describe_python
from everywheel.wheels.target_python import TargetPython, parse_python_version
from everywheel.wheels.wheel import Wheel, WheelFile

ROOT = Path(__file__).parents[2]
WINDOWS = parse_target("win_amd64")
AMD64, ARM64 = (0x8664).to_bytes(2, "little"), (0xAA64).to_bytes(2, "little")


def pack_archive(*members: bytes) -> bytes:
    """Return an `ar` archive with a table of symbols, as archives of Windows have."""
    parts = [(b"/", b"\0\0\0\0"), *((b"x.obj/", member) for member in members)]
    packed = (b"%-16s%-32s%-10d`\n%s" % (name, b"", len(data), data) for name, data in parts)
    return b"!<arch>\n" + b"".join(member + b"\n" * (len(member) % 2) for member in packed)


def import_object(dll: str, machine: bytes) -> bytes:
    """Return the member of an import library for one symbol: a header with the machine, then the symbol and the DLL."""
    return b"\0\0\xff\xff\0\0" + machine + bytes(12) + b"foo_answer\0" + dll.encode() + b"\0"


def make_prefix(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in {"include/zlib.h": b"", "include/zconf.h": b"", "lib/pkgconfig/zlib.pc": b"", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def list_broken_promises(prefix: Path, linkage: Linkage) -> list[str]:
    zlib = resolve_recipe(load_recipe(ROOT / "recipes" / "zlib" / "recipe.toml"), WINDOWS, linkage=linkage)
    try:
        check_products(prefix, zlib, ())
    except BuildError as error:
        return [str(value) for label, value in error.details.items() if label != "installed"]
    return []


def test_an_archive_with_objects_for_the_target_is_valid(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path, {"lib/libz.a": pack_archive(AMD64 + bytes(18))})

    assert list_broken_promises(prefix, Linkage.STATIC) == []


def test_objects_for_another_machine_are_reported(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path, {"lib/libz.a": pack_archive(AMD64 + bytes(18), ARM64 + bytes(18))})

    assert list_broken_promises(prefix, Linkage.STATIC) == [
        "lib/libz.a has objects of the machine type 0xaa64, not only for x86_64"
    ]


def test_an_import_library_without_its_dll_is_reported(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path, {"lib/libz.dll.a": pack_archive(import_object("libz-1.dll", AMD64))})

    assert list_broken_promises(prefix, Linkage.SHARED) == [
        "lib/libz.dll.a names libz-1.dll, but bin/libz-1.dll is missing"
    ]


def test_a_file_that_is_not_a_dll_is_reported(tmp_path: Path) -> None:
    files = {"lib/libz.dll.a": pack_archive(import_object("libz-1.dll", AMD64)), "bin/libz-1.dll": b"text"}

    assert list_broken_promises(make_prefix(tmp_path, files), Linkage.SHARED)[0].startswith(
        "bin/libz-1.dll is not a DLL: "
    )


def test_a_program_has_the_suffix_of_windows(tmp_path: Path) -> None:
    recipe = load_recipe(ROOT / "recipes" / "nasm" / "recipe.toml")
    nasm = resolve_recipe(recipe, WINDOWS, linkage=Linkage.STATIC)
    (tmp_path / "bin").mkdir()
    (tmp_path / "LICENSE").write_text("a license")

    with pytest.raises(BuildError, match="did not produce what the recipe promises"):
        check_products(tmp_path, nasm, ())
    for name in ("nasm.exe", "ndisasm.exe"):
        (tmp_path / "bin" / name).write_bytes(b"MZ")

    check_products(tmp_path, nasm, ())
    normalize_prefix(tmp_path, nasm, tmp_path)
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["nasm.exe"]


def test_a_path_of_the_build_machine_is_reported_in_both_spellings(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path, {"lib/libz.a": pack_archive(AMD64 + b"D:/store/work/x.c")})
    zlib = resolve_recipe(load_recipe(ROOT / "recipes" / "zlib" / "recipe.toml"), WINDOWS, linkage=Linkage.STATIC)

    with pytest.raises(BuildError) as raised:
        check_products(prefix, zlib, list_spellings([PureWindowsPath(r"D:\store\work")]))
    assert raised.value.details["promise 1"] == "lib/libz.a contains a path of the build machine: D:/store/work"


def test_a_check_names_the_import_libraries_that_it_links(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path, {"lib/libwebp.dll.a": b"", "lib/libz.a": b"", "lib/libwebp.so": b""})
    flags = [f"-L{prefix}/lib", "-lwebp", "-lz", "-lws2_32"]

    libraries = [resolve_link_flag(flag, prefix, WINDOWS) for flag in flags]

    assert libraries == [f"-L{prefix}/lib", f"{prefix}/lib/libwebp.dll.a", "-lz", "-lws2_32"]
    assert [resolve_link_flag(flag, prefix, parse_target("manylinux2014_x86_64")) for flag in flags] == flags


def test_an_extension_for_windows_links_python3(tmp_path: Path) -> None:
    description = describe_python(TargetPython(target=WINDOWS, version=parse_python_version("3.13.5"), prefix=tmp_path))

    assert description["libpython"] == {
        "link_extensions": True,
        **dict.fromkeys(
            ("dynamic", "dynamic_stableabi", "dynamic-stableabi"), str(tmp_path / "lib" / "libpython3.dll.a")
        ),
    }


@pytest.mark.parametrize(("free_threaded", "dll"), [(False, "python314"), (True, "python314t")])
def test_an_extension_of_one_python_links_the_dll_of_that_python(tmp_path: Path, free_threaded: bool, dll: str) -> None:
    version = parse_python_version("3.14.4")
    python = TargetPython(
        target=WINDOWS, version=version, prefix=tmp_path, limited_api=False, free_threaded=free_threaded
    )

    libpython = describe_python(python)["libpython"]

    assert libpython == {
        "link_extensions": True,
        "dynamic": str(tmp_path / "lib" / f"lib{dll}.dll.a"),
        **dict.fromkeys(("dynamic_stableabi", "dynamic-stableabi"), str(tmp_path / "lib" / "libpython3.dll.a")),
    }


def test_only_windows_builds_more_than_the_headers_of_cpython() -> None:
    recipe = load_recipe(ROOT / "recipes" / "cpython" / "recipe.toml")
    systems = {
        tag: resolve_recipe(recipe, parse_target(tag), linkage=Linkage.STATIC).build.system
        for tag in ("win_arm64", "manylinux2014_x86_64")
    }

    assert systems == {"win_arm64": "meson", "manylinux2014_x86_64": "headers"}


@pytest.mark.parametrize(
    "file",
    ["demo.libs/libvips-42-0123456789abcdef0123456789abcdef.dll", "libvips-0123456789abcdef0123456789abcdef.dll"],
)
def test_a_grafted_dll_is_matched_to_its_library(file: str) -> None:
    library = Library(name="vips", version="8", license="MIT", linkage="shared", files=("libvips",))
    files = {file: WheelFile(data=b"")}
    wheel = Wheel(name="demo", version="1", build="", python="cp311", abi="abi3", platform="win_amd64", files=files)

    assert match_grafts(wheel, [library]) == {"vips": (file,)}
