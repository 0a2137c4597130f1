"""Import of the wheel's own packages from where it is installed, even if a test adds other folders to `sys.path`."""

import os
import sys
from importlib.machinery import PathFinder

SITE_VARIABLE = "EVERYWHEEL_SITE"


class WheelFinder:
    """Finds modules and packages in the folder in which the wheel is installed, before any other folder is searched.

    pytest and scripts put the project's folder first in `sys.path`: with a flat layout, that is the source tree of the
    package under test. Namespace packages may have parts elsewhere, so that only what is in them is found here.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        """Return the spec of a module in the folder, None for any other."""
        if name.partition(".")[0] in getattr(sys, "stdlib_module_names", ()):
            return None
        spec = PathFinder.find_spec(name, [os.path.join(self.folder, *name.split(".")[:-1])])  # noqa: PTH118
        return spec if spec is not None and spec.loader is not None and spec.origin is not None else None


def install_finder() -> None:
    """Use the finder if the environment names the folder of the wheel: after built-in modules, before `sys.path`."""
    folder = os.environ.get(SITE_VARIABLE)
    if folder:
        position = sys.meta_path.index(PathFinder)
        sys.meta_path.insert(position, WheelFinder(folder))
