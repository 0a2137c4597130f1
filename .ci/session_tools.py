"""Steps that the nox sessions of noxfile.py and extension_sessions.py share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import nox

ROOT = Path(__file__).parents[1]
PINS = ROOT / ".github" / "requirements"  # written by `nox -s requirements`


def install_pins(session: nox.Session, *names: str) -> None:
    """Install the packages of requirement files with hashes."""
    files = repeat("-r", (str(PINS / f"{name}.txt") for name in names))
    session.install("--require-hashes", "--no-deps", "--only-binary", ":all:", *files)


def install(session: nox.Session, *names: str) -> None:
    """Install everywheel and the packages of requirement files; takes a second if the environment has them."""
    install_pins(session, "everywheel", *names)
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


def everywheel(session: nox.Session, *args: str) -> None:
    """Run everywheel in an environment without further packages."""
    install(session)
    session.run("everywheel", *args)


def install_wheel(session: nox.Session, folder: str = "wheelhouse") -> None:
    """Install webpencode's finished wheel for this machine."""
    session.install("--no-index", "--no-deps", "--force-reinstall", "--find-links", folder, "webpencode")


def import_sources(session: nox.Session) -> None:
    """Import the source bundle, if there is one, into the store: $EVERYWHEEL_BUNDLE or sources.tar."""
    bundle = Path(os.environ.get("EVERYWHEEL_BUNDLE", ROOT / "sources.tar"))
    if bundle.exists():
        session.run("everywheel", "sources", "import", str(bundle))


def repeat(option: str, values: Iterable[str]) -> list[str]:
    """Return the arguments that pass an option once for each value."""
    return [arg for value in values for arg in (option, value)]


def find(pattern: str) -> list[str]:
    """Return the files that match a pattern, relative to the project."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))
