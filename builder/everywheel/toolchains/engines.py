"""The engines that run on the build machine itself."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from everywheel.errors import MachineError
from everywheel.execution.cancellation import Interrupted
from everywheel.execution.files import remove_path
from everywheel.platforms.target import build_machine_target
from everywheel.store.lease import hold_if_free, make_lock
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
    with _open_cache(store.root / "tmp") as cache:
        engine = ZigEngine(store=store, tools=tools, cache=cache)
        yield engine
        engine.return_caches()


@contextlib.contextmanager
def _open_cache(folder: Path) -> Iterator[Path]:
    """Create a directory for the private caches of a run, which is removed at the end; its lock is held meanwhile.

    An interrupted run leaves its caches, which have thousands of files, to the next one: the user waits for its end.
    """
    for lock in folder.glob("zig-*.lock"):
        _remove_ended(lock)
    cache = folder / f"zig-{secrets.token_hex(8)}"
    lock = Path(f"{cache}.lock")
    try:
        with make_lock(lock):
            cache.mkdir()
            yield cache
    except (KeyboardInterrupt, Interrupted):
        raise
    except BaseException:
        _remove_ended(lock)
        raise
    _remove_ended(lock)


def _remove_ended(lock: Path) -> None:
    """Remove the caches of a run that has ended, and their lock."""
    with hold_if_free(lock) as is_free, contextlib.suppress(OSError):
        if is_free:
            remove_path(lock.with_suffix(""))
            lock.unlink(missing_ok=True)
