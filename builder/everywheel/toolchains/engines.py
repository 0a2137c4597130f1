"""The engines that run on the build machine itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.errors import MachineError
from everywheel.platforms.target import build_machine_target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compilers import Engine, EngineName
from everywheel.toolchains.native import NativeEngine
from everywheel.toolchains.zig import ZigEngine


def check_engine(name: EngineName) -> None:
    """Raise MachineError for an engine whose compiler wrappers cannot run on this machine."""
    if name is EngineName.ZIG and build_machine_target().os == "windows":
        raise MachineError(
            "the zig engine does not run on Windows: its compiler wrappers are shell scripts",
            hint="`--engine native` builds for this machine with MinGW-w64's gcc; zig builds for Windows on Linux",
        )


@contextlib.contextmanager
def open_engine(name: EngineName, store: Store, tools: Tools) -> Iterator[Engine]:
    """Return the engine for a run: `zig` or `native`; the container engine runs `native` inside a container."""
    if name is EngineName.NATIVE:
        yield NativeEngine(store=store.root)
        return
    with TemporaryDirectory(dir=store.root / "tmp", prefix="zig-", ignore_cleanup_errors=True) as cache:
        engine = ZigEngine(store=store, tools=tools, cache=Path(cache))
        yield engine
        engine.return_caches()
