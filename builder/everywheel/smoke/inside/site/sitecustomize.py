"""Import the wheel's packages from the wheel; write the libraries that a process loaded to a file when it exits."""

import atexit
import os

from loaded import list_loaded  # type: ignore[import-not-found]
from wheel_finder import install_finder  # type: ignore[import-not-found]


def write_libraries() -> None:
    """Write the paths of the loaded libraries into the folder that the environment names, one file for each process."""
    folder = os.environ.get("EVERYWHEEL_MAPS")
    if folder:
        with open(os.path.join(folder, str(os.getpid())), "w") as out:  # noqa: PTH118, PTH123
            out.write("\n".join(sorted(list_loaded())))


atexit.register(write_libraries)
install_finder()
