"""The engines that run on the build machine itself."""

from __future__ import annotations

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


def start_engine(name: EngineName, store: Store, tools: Tools) -> Engine:
    """Return the engine for a name: `zig` or `native`; the container engine runs `native` inside a container."""
    return NativeEngine(store=store.root) if name is EngineName.NATIVE else ZigEngine(store=store, tools=tools)
