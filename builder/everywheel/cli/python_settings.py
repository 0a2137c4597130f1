"""Settings of the Python interpreter in environment variables, which must not change what the program does.

PYTHONINSPECT shows a traceback at the end, PYTHONWARNINGS=error raises the warnings of libraries, PYTHONOPTIMIZE=2 removes
help texts, and _PYTHON_SYSCONFIGDATA_NAME names a module that does not exist. Some have taken effect when the first line of
this package runs, so the program starts once more without them; so do the commands that it runs.
"""

from __future__ import annotations

import contextlib
import os
import sys

# Where Python and its packages are, how the terminal is written, and settings without an effect on results.
_KEPT = frozenset(
    {
        *("PYTHONHOME", "PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONSAFEPATH"),
        *("PYTHONIOENCODING", "PYTHONUTF8", "PYTHONUNBUFFERED"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
        *("PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONSTARTUP", "PYTHON_COLORS", "PYTHON_KEYRING_BACKEND"),
    }
)


def restart_without_python_settings() -> None:
    """Remove the interpreter's settings from the environment, and start the program again if there were any.

    On Windows, where a program cannot replace itself, they are only removed.
    """
    names = [name for name in os.environ if name.startswith(("PYTHON", "_PYTHON")) and name not in _KEPT]
    if os.environ.get("PYTHONUTF8") == "0":  # in the locale C, paths would be ASCII
        names.append("PYTHONUTF8")
    for name in names:
        del os.environ[name]
    if names and sys.platform != "win32":
        with contextlib.suppress(OSError, TypeError, ValueError):  # an embedded interpreter may not know its program
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
