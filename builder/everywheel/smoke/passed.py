"""Tests on the build machine that wheels have passed: the next build reads their outcome and does not run them again."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.project import Project
from everywheel.execution.files import hash_file
from everywheel.smoke.foreign_python import ForeignPython
from everywheel.store.local import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedTest:
    """The file with the outcome of a test, such as `smoke test passed`."""

    path: Path

    def read(self) -> str:
        """Return the outcome; empty if the test has not passed."""
        return self.path.read_text(encoding="utf-8") if self.path.exists() else ""

    def record(self, outcome: str) -> str:
        """Write the outcome, and return it."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(outcome, encoding="utf-8")
        return outcome


def find_local_test(project: Project, wheel: Path, store: Store) -> PassedTest:
    """Return the test of a wheel with the running Python."""
    return _find(store, hash_file(wheel), project.digest, repr(project.smoke), sys.version)


def find_foreign_test(project: Project, wheel: Path, python: ForeignPython, store: Store) -> PassedTest:
    """Return the test of a wheel with an interpreter of its target."""
    return _find(store, hash_file(wheel), python.folder.name, str(python.emulator), repr(project.smoke))


def find_installed_test(project: Project, wheel: Path, store: Store) -> PassedTest:
    """Return the test of a wheel with a CPython of its version that is installed on this machine."""
    return _find(store, hash_file(wheel), "installed", repr(project.smoke))


def _find(store: Store, *facts: str) -> PassedTest:
    return PassedTest(path=store.root / "smoke" / hashlib.sha256("\n".join(facts).encode()).hexdigest())
