"""Pythons: the CPython interpreters that a project builds wheels for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from everywheel.config.recipe import suggest
from everywheel.config.text_rules import PYTHON_ABI, PYTHON_TAG
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError
from everywheel.platforms.target import OPERATING_SYSTEMS


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSpec:
    """The Python interpreters that a wheel supports.

    Attributes:
        headers: the name of the recipe that installs their headers.
        tag: the Python tag of the wheel, such as `cp311`.
        abi: the ABI tag of the wheel, such as `abi3`.
        limited_api: true for a wheel that uses only the limited API (PEP 384).
        free_threaded: true for interpreters that are built without the GIL (PEP 703).
        systems: the operating systems that the wheel is built for, by their names in recipes.
    """

    headers: str
    tag: str
    abi: str
    limited_api: bool
    free_threaded: bool
    systems: tuple[str, ...] = tuple(OPERATING_SYSTEMS)


def load_pythons(table: Table) -> tuple[PythonSpec, ...]:
    """Read `python`: one table, or an array of tables with different tags."""
    specs = []
    for python in table.table_or_tables("python"):
        systems = python.texts("os", list(OPERATING_SYSTEMS))
        for system in systems:
            if system not in OPERATING_SYSTEMS:
                raise UsageError(
                    f"{python.location}: there is no system '{system}'", hint=suggest(system, OPERATING_SYSTEMS)
                )
        tag, abi = python.text("tag", rule=PYTHON_TAG), python.text("abi", "abi3", rule=PYTHON_ABI)
        if abi.startswith("cp") and not re.fullmatch(rf"{tag}t?d?", abi):
            raise UsageError(
                f"{python.location}: 'abi' is '{abi}' but 'tag' is '{tag}'", hint="name the same Python in both"
            )
        specs.append(
            PythonSpec(
                headers=python.text("headers"),
                tag=tag,
                abi=abi,
                limited_api=abi.startswith("abi3"),
                free_threaded=re.fullmatch(r"cp\d+td?", abi) is not None,
                systems=systems,
            )
        )
        python.reject_unknown_keys()
    tags = [f"{spec.tag}-{spec.abi}" for spec in specs]
    for tag in tags:
        if tags.count(tag) > 1:
            raise UsageError(
                f"{table.location}: 'python' names {tag} more than once",
                hint="remove one of them: each table builds a separate wheel",
            )
    return tuple(specs)
