"""The test of a wheel after its build: with the running Python, one of another version on PATH, or one of another target."""

from __future__ import annotations

from pathlib import Path

from everywheel.config.project import Project
from everywheel.libraries.features import can_run
from everywheel.platforms.target import Target
from everywheel.smoke.foreign_python import find_foreign_python
from everywheel.smoke.installed_python import find_installed_python
from everywheel.smoke.passed import find_foreign_test, find_installed_test, find_local_test
from everywheel.smoke.python_tags import is_for_this_python
from everywheel.store.local import Store


def check_on_build_machine(project: Project, wheel: Path, target: Target, store: Store, *, offline: bool) -> str:
    """Test a wheel, unless it has passed before, and return what was tested; empty if this machine cannot run it.

    Raises SmokeError, with the output, when the test fails. The modules that run tests are slow to import, and are imported
    only for a wheel that has not passed.
    """
    if not can_run(target):
        python = find_foreign_python(target, wheel, store)
        if python is None:
            return ""
        if outcome := find_foreign_test(project, wheel, python, store).read():
            return outcome
        from everywheel.smoke.emulated import import_foreign_modules

        return import_foreign_modules(project, wheel, target, store, offline=offline)
    if not is_for_this_python(wheel.name):
        if outcome := find_installed_test(project, wheel, store).read():
            return outcome
        if find_installed_python(target, wheel) is None:
            return ""
        from everywheel.smoke.emulated import import_with_installed_python

        return import_with_installed_python(project, wheel, target, store, offline=offline)
    if outcome := find_local_test(project, wheel, store).read():
        return outcome
    from everywheel.smoke.local import run_local_smoke_test

    return run_local_smoke_test(project, wheel, store, offline=offline)
