"""Build the examples for several systems on this machine, with an SDK for each.

    python examples/build_examples.py                                 all
    python examples/build_examples.py static-amd64 gcc-amd64          some
    python examples/build_examples.py --run                           all, and make a thumbnail with each that can run here

`everywheel sdk` makes the SDKs that the folder of `--sdk` does not have. Compilers and tools are those of everywheel (zig,
pkgconf, CMake, Ninja); Go 1.24 or newer, the gcc and Meson that build the C program once more, and cargo for the program in
Rust must be installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import Tools, ensure_tools
from example_builds.c_programs import build_with_the_tools_of_this_machine, build_with_zig
from example_builds.commands import ExampleError
from example_builds.go_programs import build_server, build_windows_dll_example, find_go
from example_builds.libraries import copy_libraries
from example_builds.runs import run_programs
from example_builds.rust_program import build_with_cargo
from example_builds.sdks import check_sdk, find_sdk
from example_builds.shapes import SHAPES, Build


def build_shape(name: str, sdks: Path, output: Path, store: Store, tools: Tools) -> Build:
    """Build all examples of a shape."""
    shape, folder = SHAPES[name], output / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cache = store.root / "zig"
    sdk = check_sdk(find_sdk(sdks, shape.tag), shape.tag)
    environment = {
        **os.environ,
        "PKG_CONFIG": str(tools.pkgconf),
        "PKG_CONFIG_LIBDIR": str(sdk / "lib" / "pkgconfig"),
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(output / "zig"),
    }
    build = Build(shape=shape, sdk=sdk, output=folder, tools=tools, environment=environment)
    if shape.kind == "gcc":
        build_with_the_tools_of_this_machine(build)
    else:
        build_server(build)
        build_with_zig(build)
    if shape.has_rust and (reason := build_with_cargo(build)):
        print(f"{name}: thumbnail-rust: not built: {reason}")
    if shape.kind == "windows":
        build_windows_dll_example(build)
    if shape.kind != "static":
        copy_libraries(build)
    return build


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"[default: all] {', '.join(SHAPES)}")
    parser.add_argument("--sdk", type=Path, default=Path("build/sdk"), help="folder of the SDKs")
    parser.add_argument("--output-dir", type=Path, default=Path("build/examples"))
    parser.add_argument("--run", action="store_true", help="run what can run on this machine")
    arguments = parser.parse_args(args)
    if unknown := [name for name in arguments.shapes if name not in SHAPES]:
        parser.error(f"there is no shape '{unknown[0]}'; there are {', '.join(SHAPES)}")
    root = default_store().absolute()
    try:
        find_go()
        store, tools = Store(root), ensure_tools(root)
        for name in arguments.shapes or SHAPES:
            build = build_shape(name, arguments.sdk.absolute(), arguments.output_dir.absolute(), store, tools)
            for path in sorted(build.output.rglob("*")):
                if path.is_file() and "licenses" not in path.parts:
                    print(f"{path.relative_to(build.output.parent)}: {path.stat().st_size / 1e6:.2f} MB")
            if arguments.run:
                run_programs(name, build)
    except ExampleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
