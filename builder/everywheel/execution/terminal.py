"""The user's terminal: its state is the same after the program as before it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

_SHOW_CURSOR = b"\x1b[?25h"  # DECTCEM, which rich hides while progress is shown

if sys.platform == "win32":

    class Terminal:
        """The console of Windows, which keeps no mode that a child changed."""

        @classmethod
        def find(cls) -> Terminal:
            return cls()

        def restore(self, *, show_cursor: bool = False) -> None: ...

else:
    import signal
    import termios

    class Terminal:
        """A terminal in the foreground of which this process was started, and its attributes then; without one, nothing."""

        def __init__(self, descriptor: int | None, attributes: list[Any]) -> None:
            self._descriptor = descriptor
            self._attributes = attributes

        @classmethod
        def find(cls) -> Terminal:
            """Return the terminal of the first standard stream that is connected to one."""
            for number in (0, 1, 2):
                with contextlib.suppress(OSError, termios.error):
                    if os.tcgetpgrp(number) == os.getpgrp():
                        return cls(number, termios.tcgetattr(number))
            return cls(None, [])

        def restore(self, *, show_cursor: bool = False) -> None:
            """Set the attributes again, unless this process is in the background of the terminal by now."""
            if self._descriptor is None:
                return
            with contextlib.suppress(OSError, termios.error):
                self._reclaim(self._descriptor)
                if os.tcgetpgrp(self._descriptor) == os.getpgrp():
                    if termios.tcgetattr(self._descriptor) != self._attributes:
                        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._attributes)
                    if show_cursor:
                        os.write(self._descriptor, _SHOW_CURSOR)

        def _reclaim(self, descriptor: int) -> None:
            """Return to the foreground when the group in it has ended, such as that of a shell that was killed."""
            try:
                os.killpg(os.tcgetpgrp(descriptor), 0)
            except ProcessLookupError:
                before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])  # sent to a background process
                try:
                    os.tcsetpgrp(descriptor, os.getpgrp())
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
