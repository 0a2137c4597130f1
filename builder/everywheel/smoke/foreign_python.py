"""Interpreters of other targets that this machine can run, with QEMU or next to its own C library."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from everywheel.containers.native_arches import is_native
from everywheel.platforms.architectures import Arch
from everywheel.platforms.target import Target
from everywheel.smoke.python_tags import is_for_python
from everywheel.store.local import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPython:
    """An interpreter of another target in `folder`: the command that starts it, and its version, such as `3.13` or `3.14t`.

    `root` is the directory with the C library, as QEMU's option `-L` expects it.
    """

    folder: Path
    version: str
    arch: Arch
    root: Path
    emulator: Path | None

    @property
    def release(self) -> str:
        """The version without the `t` of an interpreter that has no GIL."""
        return self.version.removesuffix("t")

    @property
    def command(self) -> list[str]:
        emulator = [str(self.emulator), "-L", str(self.root)] if self.emulator else []
        return [*emulator, str(self.folder / "bin" / f"python{self.version}")]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of all processes, with none of the build machine's own Python or library paths."""
        cpu = {"QEMU_CPU": self.arch.qemu_cpu} if self.emulator and self.arch.qemu_cpu else {}
        return {"PATH": os.defpath, "PYTHONHOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", **cpu}


def find_foreign_python(target: Target, wheel: Path, store: Store) -> ForeignPython | None:
    """Return an interpreter for a wheel that this machine can run and that is in the store, or None."""
    emulator, arch = None, target.arch
    if target.os != "linux":
        return None
    root = Path("/")
    if not is_native(arch):
        program = shutil.which(f"qemu-{arch.qemu}-static")
        if program is None:
            return None
        emulator = Path(program)
        # QEMU's own variable for the directory.
        root = Path(os.environ.get("QEMU_LD_PREFIX", f"/usr/{arch.gnu_cpu}-linux-{arch.abi(target.libc)}"))
    loader = arch.glibc_loader if target.libc == "glibc" else f"/lib/ld-musl-{arch.musl_loader}.so.1"
    if not (root / loader.lstrip("/")).exists():
        return None
    for folder in sorted((store.root / "tools").glob(f"python-{target.libc}-{arch.name}-*/")):
        for program_file in sorted((folder / "bin").glob("python3.*[0-9]")):
            version = program_file.name.removeprefix("python")
            if (folder / "complete").exists() and is_for_python(wheel.name, version):
                return ForeignPython(folder=folder, version=version, arch=arch, root=root, emulator=emulator)
    return None
