"""Import libraries of Windows: the files that DLLs are linked by."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath

from everywheel.store.local import FIXED_TIME
from everywheel.wheels.wheel import WheelFile, pack_wheel, read_wheel

_ARCHIVE = b"!<arch>\n"

# Libraries whose own build files give their archive another name for Windows than for other systems.
_WINDOWS_NAMES = {"libz.a": "zlib.lib"}


def add_import_names(prefix: Path) -> None:
    """Copy libraries of a prefix to the names that zig searches for `-lfoo` and `-llibfoo`.

    Build systems link the file itself, but scripts with setuptools name libraries: an import library is `foo.lib` as well as
    `libfoo.dll.a`. Those that are written for Microsoft's compiler name the file of an archive without its suffix, so that
    `libfoo.a` is `libfoo.lib` as well.
    """
    for path in sorted((prefix / "lib").glob("lib*.dll.a")):
        name = path.name.removeprefix("lib").removesuffix(".dll.a")
        if not (prefix / "lib" / f"lib{name}.a").exists():
            shutil.copyfile(path, path.with_name(f"{name}.lib"))
    for path in sorted((prefix / "lib").glob("lib*.a")):
        if not path.name.endswith(".dll.a"):
            shutil.copyfile(path, path.with_suffix(".lib"))
            if other := _WINDOWS_NAMES.get(path.name):
                shutil.copyfile(path, path.with_name(other))


def drop_module_imports(built: Path) -> Path:
    """Return a wheel without the import libraries of its own modules, which no program is linked to.

    zig writes one next to each module, and backends take what is in a package's folder. Other files are kept, also the
    import libraries of DLLs that a package distributes.
    """
    wheel = read_wheel(built)
    modules = {PurePosixPath(path).name.encode() for path in wheel.files if path.endswith(".pyd")}
    kept = {path: file for path, file in wheel.files.items() if not _is_import_of(modules, path, file)}
    if len(kept) == len(wheel.files):
        return built
    return pack_wheel(replace(wheel, files=kept), built.parent, epoch=FIXED_TIME)


def _is_import_of(modules: set[bytes], path: str, file: WheelFile) -> bool:
    if not path.endswith(".lib") or not file.data.startswith(_ARCHIVE):
        return False
    # The member is named after the DLL: in the table of long names, or in its own header.
    return any(b"\n%b%b" % (module, end) in file.data for module in modules for end in (b"\0", b"/"))
