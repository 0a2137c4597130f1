"""Imports of a wheel's extension modules: the programs that run next to a wheel, and their results as sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from everywheel.errors import count_noun
from everywheel.smoke.inside.protocol import ImportResult

INSIDE = Path(__file__).with_name("inside")
"""The programs that run next to a wheel, and modules that each Python process imports there."""


def list_imported(results: Sequence[ImportResult]) -> tuple[str, ...]:
    """Return the modules that were imported."""
    return tuple(result.module for result in results if not result.error)


def list_missing(results: Sequence[ImportResult]) -> dict[str, str]:
    """Return, by module, the package that is not installed and that the import failed for."""
    return {result.module: result.missing for result in results if result.missing}


def describe_failed_imports(results: Sequence[ImportResult], explain: Callable[[str], str]) -> str:
    """Return why a program that imports modules failed: the first module that cannot be imported, and the number of others.

    `explain` returns the cause of an error.
    """
    failed = [result for result in results if result.error and not result.missing]
    if not failed and list_missing(results):
        return f"no module can be imported: {describe_missing(list_missing(results))}"
    if not failed:
        return explain("")
    others = f" (nor can {count_noun(len(failed) - 1, 'other')})" if len(failed) > 1 else ""
    return f"{failed[0].module} cannot be imported{others}: {explain(failed[0].error)}"


def describe_missing(missing: Mapping[str, str]) -> str:
    """Return which modules were not imported because a package is not installed."""
    packages = {package: [m for m in missing if missing[m] == package] for package in missing.values()}
    return "; ".join(
        f"{', '.join(modules)} requires {package}, which is neither in the wheel nor one of its requirements"
        for package, modules in packages.items()
    )
