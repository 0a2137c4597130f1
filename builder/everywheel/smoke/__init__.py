"""Smoke tests: each wheel is installed and used on each system that its tag claims.

Results of containers, Wine and the build machine form one matrix, which is printed as a table, JSON or HTML.
"""

from everywheel.smoke.emulated import import_foreign_modules
from everywheel.smoke.local import run_local_smoke_test

__all__ = ["import_foreign_modules", "run_local_smoke_test"]
