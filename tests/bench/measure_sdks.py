"""Sizes of the SDKs of libvips and of programs that are linked to them, for the table in docs/sdk.md.

    everywheel sdk libvips -t musllinux_1_2_aarch64 -o sdk
    python tests/bench/measure_sdks.py sdk/*.tar.gz                print what each has
    python tests/bench/measure_sdks.py --docs sdk/*.tar.gz         also record it in docs/data/sdks.json, and write the table

Each archive is checked and unpacked, and the program in C is linked to its shared library and to its archives. A program runs
if this machine can run it: QEMU_LD_PREFIX names a folder with the C library of another architecture, as for QEMU.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from everywheel.binaries.elf import read_elf
from everywheel.binaries.macho import read_macho
from everywheel.platforms.target import Target, build_machine_target
from everywheel.sdk.verification import Manifest, verify_sdk
from everywheel.store.local import default_store
from everywheel.toolchains.build_tools import Tools, ensure_tools
from sdk_table import SdkSizes, read_sizes, write_sizes

ROOT = Path(__file__).parents[2]
PROGRAM, PHOTO = ROOT / "examples" / "c" / "thumbnail.c", ROOT / "extension" / "tests" / "data" / "photo.jpg"
# musl's threads have 128 kB, and libvips needs more.
STATIC = ["-static", "-Wl,-z,stack-size=2097152"]


def find_library(sdk: Path, target: Target) -> Path:
    """Return the shared libvips of an SDK."""
    pattern = {"linux": "lib/libvips.so.42", "darwin": "lib/libvips.42.dylib", "windows": "bin/libvips-42.dll"}[
        target.os
    ]
    return sdk / pattern


def find_floor(library: Path, target: Target) -> str:
    """Return the oldest system that a shared library runs on."""
    if target.os == "windows":
        return "Windows 10"
    data = library.read_bytes()
    if target.os == "darwin":
        minimum = read_macho(data).images[0].minimum or (0, 0)
        return f"macOS {minimum[0]}.{minimum[1]}"
    if target.libc == "musl":
        return "musl 1.2"
    needs = (need.version for need in read_elf(data).versions)
    numbers = [tuple(map(int, v.removeprefix("GLIBC_").split("."))) for v in needs if v.startswith("GLIBC_2")]
    return f"glibc {'.'.join(map(str, max(numbers)))}"


def link(sdk: Path, target: Target, tools: Tools, *, static: bool) -> Path:
    """Link the program in C to the shared library or to the archives of an SDK."""
    suffix = ".exe" if target.os == "windows" else ""
    program = sdk / f"{'static' if static else 'shared'}{suffix}"
    musl = target.libc == "musl"
    folder = "lib/static/pkgconfig" if static and not musl else "lib/pkgconfig"
    environment = {**os.environ, "PKG_CONFIG_LIBDIR": str(sdk / folder)}
    query = [tools.pkgconf, *(["--static"] if static and musl else []), "--cflags", "--libs", "vips"]
    flags = subprocess.run(query, env=environment, text=True, capture_output=True, check=True).stdout.split()
    form = (STATIC if static else ["-dynamic"]) if musl else []
    compiler = [tools.zig, "cc", "-target", target.zig, *target.arch.zig_flags, *form, "-O2", "-s", PROGRAM]
    variables = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(default_store() / "zig")}
    subprocess.run([*compiler, *flags, "-o", program], env=variables, check=True)
    return program


def run(program: Path, sdk: Path, target: Target) -> bool:
    """Return whether a program made a thumbnail; False also if this machine cannot run it."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(sdk / "lib"), "WINEDEBUG": "-all"}
    if target.os == "windows":
        shutil.copy2(find_library(sdk, target), program.parent)
        command = ["wine"] if target.windows_arch.runs_under_wine else []
    elif target.os == "linux" and target.arch == build_machine_target().arch:
        command = ["env"]
    else:
        command = [f"qemu-{target.arch.qemu}-static"] if target.os == "linux" else []
    if not command or shutil.which(command[0]) is None:
        return False
    picture = sdk / "photo.webp"
    result = subprocess.run([*command, program, PHOTO, picture, "100"], env=environment, capture_output=True, text=True)
    print(f"{target.wheel_tag}: {program.name}: {(result.stdout or result.stderr).strip()}")
    return result.returncode == 0 and picture.read_bytes()[8:12] == b"WEBP"


def measure(archive: Path, folder: Path, tools: Tools) -> tuple[Manifest, SdkSizes]:
    """Return the facts about an SDK's archive, which is unpacked into a folder."""
    shutil.unpack_archive(archive, folder)
    sdk = next(path.parent for path in folder.glob("*/sdk.json"))
    manifest = verify_sdk(sdk, None)
    target, library = manifest.target, find_library(sdk, manifest.target)
    static, shared = link(sdk, target, tools, static=True), link(sdk, target, tools, static=False)
    # The shared library of musl requires a system with musl.
    tried = [run(program, sdk, target) for program in ([static] if target.libc == "musl" else [static, shared])]
    return manifest, SdkSizes(
        title=manifest.title,
        archive=archive.stat().st_size,
        library=library.stat().st_size,
        floor=find_floor(library, target),
        shared=shared.stat().st_size,
        static=static.stat().st_size,
        is_run=all(tried),
    )


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, nargs="+")
    parser.add_argument("--docs", action="store_true", help="record the sizes, and write the table in docs/sdk.md")
    arguments = parser.parse_args(args)
    tools, results = ensure_tools(default_store()), read_sizes()
    for archive in arguments.archives:
        with tempfile.TemporaryDirectory() as folder:
            manifest, sizes = measure(archive, Path(folder), tools)
        print(f"{archive.name}: {asdict(sizes)}")
        name = archive.name.removesuffix(".zip").removesuffix(".tar.gz")
        label = name.removesuffix(f"-{manifest.target.wheel_tag}").rpartition("-")[0]
        results[f"{label} {manifest.target.wheel_tag}"] = sizes
    if arguments.docs:
        write_sizes(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
