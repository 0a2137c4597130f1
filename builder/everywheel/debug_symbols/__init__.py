"""Debug data of wheels, apart from them: one file for each compiled file.

Debuggers and debug servers find a file by its build id.
"""

from __future__ import annotations
