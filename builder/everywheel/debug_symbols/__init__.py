"""Debug data of wheels, apart from them: one file for each compiled file, found by its build id."""

from __future__ import annotations
