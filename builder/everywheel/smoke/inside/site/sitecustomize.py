"""Writes down, as every Python process ends, which libraries it had loaded."""

import atexit
import os

from loaded import list_loaded  # type: ignore[import-not-found]


def note() -> None:
    folder = os.environ.get("EVERYWHEEL_MAPS")
    if folder:
        with open(os.path.join(folder, str(os.getpid())), "w") as out:  # noqa: PTH118, PTH123
            out.write("\n".join(sorted(list_loaded())))


atexit.register(note)
