"""Import libraries of Windows: names that zig searches, and those that zig writes next to modules."""

from __future__ import annotations

from pathlib import Path

from everywheel.wheels.import_libraries import add_import_names, drop_module_imports
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel, read_wheel

LIBRARY = b"!<arch>\n/               0           0     0     0       174       `\n%b\0/0"
DIST_INFO = "demo-1.0.dist-info"


def test_a_library_is_found_by_the_names_that_setup_scripts_use(tmp_path: Path) -> None:
    folder = tmp_path / "lib"
    folder.mkdir()
    for name in ("libfoo.dll.a", "libbar.dll.a", "libbar.a", "libz.a", "libpython313.dll.a"):
        (folder / name).write_text(name)

    add_import_names(tmp_path)

    added = {path.name: path.read_text() for path in folder.glob("*.lib")}
    shared = {"foo.lib": "libfoo.dll.a", "python313.lib": "libpython313.dll.a"}
    assert added == {**shared, "libbar.lib": "libbar.a", "libz.lib": "libz.a", "zlib.lib": "libz.a"}


def test_import_libraries_of_modules_are_dropped_and_others_kept(tmp_path: Path) -> None:
    files = {
        "demo/_demo.cp313-win_amd64.pyd": b"MZ",
        "demo/libpython313.dll.lib": LIBRARY % b"_demo.cp313-win_amd64.pyd",
        "demo/_crc.pyd": b"MZ",
        "demo/checksum.lib": LIBRARY.replace(b"%b\0", b"_crc.pyd/       0"),
        "demo/other.lib": LIBRARY % b"other.dll",
        "demo/static.lib": b"!<arch>\n_demo.cp313-win_amd64.pyd",
        "demo/text.lib": b"\n_demo.cp313-win_amd64.pyd\0",
        f"{DIST_INFO}/METADATA": b"Name: demo\nVersion: 1.0\n",
        f"{DIST_INFO}/WHEEL": b"Tag: cp313-cp313-win_amd64\n",
    }
    wheel = Wheel(
        name="demo",
        version="1.0",
        build="",
        python="cp313",
        abi="cp313",
        platform="win_amd64",
        files={path: WheelFile(data=data) for path, data in files.items()},
    )
    built = pack_wheel(wheel, tmp_path, epoch=1577836800)

    assert set(read_wheel(drop_module_imports(built)).files) == files.keys() - {
        "demo/libpython313.dll.lib",
        "demo/checksum.lib",
    }
    before = built.read_bytes()
    assert drop_module_imports(built) == built
    assert built.read_bytes() == before
