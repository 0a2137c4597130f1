"""Name and version of an extension that only its build backend knows, recorded in the store.

The record's name is a hash of all that can change them: the extension's files, the revision of its checkout, the build
requirements and the environment variables. A build without changes does not run the backend.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from everywheel.config.pins import digest_pins
from everywheel.config.project import Project
from everywheel.errors import BuildError
from everywheel.execution.files import remove_path, translate_os_errors
from everywheel.execution.process import run_command
from everywheel.store.local import FIXED_TIME, Store
from everywheel.wheels.git_checkout import copy_checkout, find_checkout, link_git

if TYPE_CHECKING:
    from everywheel.toolchains.build_tools import Tools

_HINT = "the log shows what it printed; `name` and `version` in [project] of pyproject.toml are used without it"


def find_metadata(project: Project, store: Store) -> Project:
    """Return the project with its revision, and with the name and the version that are recorded for it, if any."""
    checkout = find_checkout(project)
    project = replace(project, revision=checkout.revision if checkout is not None else "")
    if project.has_metadata:
        return project
    try:
        name, version = json.loads(_record(project, store).read_text(encoding="utf-8"))
        return _with_metadata(project, name, version)
    except (OSError, ValueError, TypeError):  # a damaged record is replaced
        return project


def query_metadata(project: Project, store: Store, tools: Tools, python: Path) -> Project:
    """Return the project with the name and the version that its backend determines, and record them.

    `python` is that of an environment with the build requirements. Raises BuildError when the backend fails.
    """
    # Slow to import, and most names and versions are recorded.
    from everywheel.libraries.context import project_logs
    from everywheel.wheels.backend_settings import BackendFamily, find_family
    from everywheel.wheels.pep517 import prepare_metadata
    from everywheel.wheels.project_values import add_environment
    from everywheel.wheels.query_environment import query_environment

    label, log = f"name and version of {project.name}", project_logs(store, project) / "metadata.log"
    remove_path(log)
    with TemporaryDirectory(dir=store.root / "tmp") as scratch:
        folder = Path(scratch)
        source = copy_checkout(project, folder / "source", label)
        programs = [python.parent, tools.bin, *([link_git(folder)] if project.revision else [])]
        variables = query_environment(folder, programs)
        variables["SOURCE_DATE_EPOCH"] = str(FIXED_TIME)
        environment = add_environment(variables, project, prefix=folder / "prefix", source=source)
        is_meson = find_family(project.backend) is BackendFamily.MESON
        version = _read_meson_version(source, environment, tools) if is_meson else ""
        if version:
            facts = (project.name, version)
        else:
            content = prepare_metadata(project.backend, source, python, environment, log=log, label=label)
            raw, _ = parse_email(content)
            facts = (raw.get("name", ""), raw.get("version", ""))
    try:
        resolved = _with_metadata(project, *facts)
    except ValueError:
        details = {"name": repr(facts[0]), "version": repr(facts[1])}
        raise BuildError(f"{label}: its backend returned invalid ones", details=details, log=log, hint=_HINT) from None
    record = _record(project, store)
    unfinished = record.with_name(f".{record.name}.{os.getpid()}")
    with translate_os_errors(record):
        unfinished.write_text(json.dumps(facts), encoding="utf-8")
        unfinished.replace(record)
    return resolved


def _with_metadata(project: Project, name: str, version: str) -> Project:
    """Return the project with a name and a normalized version; raise ValueError for others."""
    try:
        canonicalize_name(name, validate=True)
        return replace(project, name=name, version=str(Version(version)), has_metadata=True)
    except (InvalidName, InvalidVersion) as error:
        raise ValueError(str(error)) from None


def _record(project: Project, store: Store) -> Path:
    pins = None if project.build_pins is None else digest_pins(project.build_pins)
    facts = (project.digest, project.revision, pins, project.backend.name, sorted(project.environment.items()))
    return store.root / "resolutions" / f"metadata-{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}.json"


def _read_meson_version(source: Path, environment: dict[str, str], tools: Tools) -> str:
    """Return the version in meson.build; empty if only a configured build knows it. meson-python needs compilers otherwise.

    Older versions of Meson, which a project may pin, need compilers here as well: the Meson of the tools reads the file then.
    """
    for program in (["meson"], [str(tools.python), "-m", "mesonbuild.mesonmain"]):
        result = run_command([*program, "introspect", "--projectinfo", "meson.build"], cwd=source, env=environment)
        try:
            version = str(json.loads(result.output)["version"])
        except (ValueError, KeyError, TypeError):
            continue
        return "" if version == "undefined" else version
    return ""
