"""Headers and libraries of Windows are found by names in any case, as on Windows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from everywheel.binaries.pe import read_pe
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.toolchains.zig import ZigEngine

SOURCE = """
#include <WinSock2.h>
#include <Windows.h>
#include <PowrProf.h>
#include "GL/GL.h"
__declspec(dllexport) int answer(void) { WSADATA data; return WSAStartup(2, &data) + (int)GetPwrCapabilities(0); }
"""


@pytest.mark.parametrize("driver", ["cc", "c++"])
def test_headers_and_libraries_have_names_in_any_case(shared_store: Path, tmp_path: Path, driver: str) -> None:
    target = parse_target("win_amd64")
    engine = ZigEngine(store=Store(default_store()), tools=ensure_tools(shared_store), cache=tmp_path / "zig")
    engine.prime_cache(target)
    toolchain = write_toolchain(target, engine.compilers(target), engine.tools, tmp_path)
    source, library = tmp_path / "library.c", tmp_path / "library.dll"
    source.write_text(SOURCE)

    # The name of a library that is not part of Windows keeps its case.
    folder = tmp_path / "source"
    folder.mkdir()
    own = folder / "Own.c"
    own.write_text("void own(void) {}\n")
    # MinGW's C runtime, and libraries as archives: what build files for MinGW name.
    mingw = ("-lucrt", "-static")
    commands = (
        [driver, *toolchain.compile_flags, "-Werror", "-c", source, "-o", tmp_path / "library.o"],
        [driver, "-c", own, "-o", folder / "own.o"],
        ["ar", "rcs", folder / "libOwn.a", folder / "own.o"],
        [
            driver,
            "-shared",
            tmp_path / "library.o",
            "-o",
            library,
            "-lWs2_32",
            "-lPowrProf",
            f"-L{folder}",
            "-lOwn",
            *mingw,
        ],
    )
    for program, *arguments in commands:
        environment = {**os.environ, **toolchain.environment, **engine.compilers(target).environment}
        subprocess.run([toolchain.program(str(program)), *arguments], env=environment, check=True)

    assert {"powrprof.dll", "ws2_32.dll"} <= {name.lower() for name in read_pe(library.read_bytes()).needed}
