"""The Python that an extension is built for, which cannot run on the build machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from everywheel.config.project import Project
from everywheel.errors import BuildError
from everywheel.platforms.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPython:
    """A CPython of the target: `version` is that of the headers in `<prefix>/include/python`, such as 3.11.9.

    With `limited_api`, extensions that support the limited API (PEP 384) are built for it; `free_threaded` means that the
    headers are those of a build without the GIL (PEP 703). `abi3t` means that the headers select the stable ABI for builds
    with and without the GIL (PEP 803), even if the build system defines no macro.
    """

    target: Target
    version: Version
    prefix: Path
    limited_api: bool = True
    free_threaded: bool = False
    abi3t: bool = False

    @property
    def headers(self) -> Path:
        """The directory that contains Python.h."""
        return self.prefix / "include" / "python"

    @property
    def series(self) -> str:
        """The first two numbers of the version: `3.13`."""
        return f"{self.version.major}.{self.version.minor}"

    @property
    def abi_flags(self) -> str:
        """The value of `sys.abiflags`."""
        return "t" if self.free_threaded else ""

    @property
    def soabi(self) -> str:
        """The tag of modules for this Python only: `cpython-313-x86_64-linux-gnu`, `cp313-win_amd64`."""
        name = "cp" if self.target.os == "windows" else "cpython-"
        return f"{name}{self.version.major}{self.version.minor}{self.abi_flags}-{self.target.extension_suffix}"

    @property
    def extension_tag(self) -> str:
        """The tag in the file names of extension modules: that of `soabi`, or `abi3t`."""
        return "abi3t" if self.abi3t else self.soabi

    @property
    def extension_suffix(self) -> str:
        """The end of the file names of modules that do not use the limited API."""
        return f".{self.extension_tag}{self.target.system.module[0]}"

    @property
    def import_library(self) -> Path | None:
        """The file that modules are linked to, which only Windows requires: that of python3.dll or of python313.dll."""
        if self.target.os != "windows":
            return None
        digits = "" if self.limited_api or self.abi3t else f"{self.version.minor}{self.abi_flags}"
        return self.prefix / self.target.system.linkable.format(f"python{self.version.major}{digits}")


def list_module_exports(project: Project) -> tuple[str, ...]:
    """Return globs of the symbols that modules may export: `PyInit_*`, the project's own, and export hooks (PEP 793)."""
    return (*project.module_exports, "PyModExport_*")


def parse_python_version(text: str) -> Version:
    """Return the version of the headers' recipe; raise BuildError for a text that is not a version with three numbers."""
    try:
        version = Version(text)
    except InvalidVersion:
        version = None
    if version is None or str(version) != version.base_version or len(version.release) != 3:
        raise BuildError(
            f"the version of the Python headers is incomplete: '{text}'",
            hint="set `version` in the recipe of the headers to three numbers, such as 3.11.9",
        )
    return version
