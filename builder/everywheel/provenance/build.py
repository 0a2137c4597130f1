"""The build of a wheel as the plan and the store know it."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor

from everywheel.config.pins import Pin
from everywheel.config.project import Project
from everywheel.execution.process import run_command
from everywheel.planning.steps import Plan, WheelStep
from everywheel.provenance.inputs import list_inputs
from everywheel.provenance.statement import Build
from everywheel.store.entry import StoreEntry
from everywheel.toolchains.compilers import EngineName


def describe_build(
    project: Project, plan: Plan, step: WheelStep, entry: StoreEntry, engine: EngineName, tools: tuple[Pin, ...]
) -> Build:
    """Return the build of a finished wheel; `entry` is the wheel in the store, and `tools` are the pinned build tools."""
    part = plan.select([step.id])
    settings = project.for_target(step.target)
    return Build(
        filename=Path(entry.file).name,
        sha256=entry.sha256,
        parameters={
            "project": project.name,
            "version": step.version,
            "target": step.target.tag,
            "python": step.python.label,
            "engine": engine.value,
            "linkage": project.linkage.value,
            "requires": list(settings.requires),
            "features": {name: list(features) for name, features in project.features.items()},
            "configSettings": {name: list(values) for name, values in settings.settings.items()},
            "environment": dict(settings.environment),
        },
        internal={"cacheKeys": {id: each.key for id, each in part.steps.items()}},
        source=_describe_source(project),
        inputs=list_inputs(part.recipes, project.build_pins or (), tools),
        toolkit=version("everywheel"),
    )


def _describe_source(project: Project) -> ResourceDescriptor:
    """Return the project: the hash of its extension's files, and the commit if the checkout has no other changes.

    `path` is the path of the extension in the project, `root` that of the project in its repository.
    """
    commit, root = _find_commit(project.root)
    is_inside = project.extension.is_relative_to(project.root)
    path = {"path": project.extension.relative_to(project.root).as_posix()} if is_inside else {}
    return ResourceDescriptor(
        name=f"{project.name} {project.version}",
        digest={"sha256": project.digest} | ({"gitCommit": commit} if commit else {}),
        annotations={**path, **({"root": root} if root else {})},
    )


def _find_commit(root: Path) -> tuple[str, str]:
    """Return the commit of a checkout and the path of a folder in it; empty without one or with other changes."""
    if shutil.which("git") is None:
        return "", ""
    status = run_command(["git", "status", "--porcelain"], cwd=root)
    head = run_command(["git", "rev-parse", "HEAD", "--show-prefix"], cwd=root)
    if status.exit_code or head.exit_code or status.output.strip():
        return "", ""
    commit, _, prefix = head.output.partition("\n")
    return commit, prefix.strip().rstrip("/")
