"""The context of a run: the store, the engine, the tools and the settings that all of its steps share."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.project import Project
from everywheel.errors import BuildError
from everywheel.execution.files import remove_path
from everywheel.planning.steps import LibraryStep, Plan, Step, StepKind
from everywheel.store.local import Store
from everywheel.store.unpacking import FileConflict
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compilers import Engine


def project_logs(store: Store, project: Project) -> Path:
    """Return the directory for the logs of a project, which other projects in the same store do not use."""
    digest = hashlib.sha256(os.fsencode(project.root.resolve())).hexdigest()[:8]
    return store.root / "logs" / f"{project.name}-{digest}"


def name_shell(step: LibraryStep) -> str:
    """Return the command that opens the workspace of a step: `everywheel shell libvips --target musllinux_1_2_aarch64`."""
    target = "" if step.kind is StepKind.PROGRAM else f" --target {step.target.tag}"
    return f"everywheel shell {step.name}{target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """The objects and settings that the steps of one run share.

    `logs` is the directory for the logs of the project's steps. `sources` maps the sha256 of each fetched file to its path,
    `environment` contains the variables that connect commands to the job pool. Workspaces of finished steps are removed
    unless `keep` is set.
    """

    store: Store
    logs: Path
    engine: Engine
    tools: Tools
    sources: Mapping[str, Path]
    environment: Mapping[str, str]
    keep: bool = False
    offline: bool = False

    def workspace(self, step: Step) -> Path:
        """Return the directory in which a step is built; its name contains the cache key, so plans do not share it."""
        return self.store.root / "work" / f"{step.name}-{step.platform}-{step.key[:12]}"

    def log(self, step: Step) -> Path:
        """Return the file that receives the output of a step's commands."""
        return self.logs / f"{step.name}-{step.platform}.log"

    def open_workspace(self, step: Step, plan: Plan) -> Path:
        """Create a new workspace and unpack the required artifacts of a step into its `prefix` and `build-prefix`.

        Raises MachineError when an artifact is missing or damaged, and BuildError when two of them have different files of
        one name.
        """
        workspace = self.workspace(step)
        if os.path.lexists(workspace):
            # Renamed before it is removed: a process of a killed run may still create files in the old directory.
            aside = workspace.with_name(f".aside-{workspace.name}")
            with contextlib.suppress(OSError):
                remove_path(aside)
            workspace.rename(aside)
            with contextlib.suppress(OSError):
                remove_path(aside)
        for folder, ids in (("prefix", step.link), ("build-prefix", step.programs)):
            (workspace / folder).mkdir(parents=True)
            self._fill(workspace / folder, [plan.libraries[id] for id in ids])
        return workspace

    def _fill(self, folder: Path, steps: Sequence[LibraryStep]) -> None:
        for count, step in enumerate(steps):
            try:
                self.store.unpack(step.key, folder, replace=False)
            except FileConflict as conflict:
                owner = next(other for other in steps[:count] if self._has_file(other, conflict.name))
                raise BuildError(
                    f"{step.name} {step.version} and {owner.name} {owner.version} install different files of one name",
                    details={"file": conflict.name},
                    hint="move one of them with an option of its recipe, such as `includedir`, or remove it with a patch: the "
                    "compiler would find only one of the two",
                ) from None

    def _has_file(self, step: LibraryStep, name: str) -> bool:
        with tempfile.TemporaryDirectory(dir=self.store.root / "tmp") as folder:
            self.store.unpack(step.key, Path(folder))
            return os.path.lexists(Path(folder, name))

    def close_workspace(self, workspace: Path) -> None:
        """Remove the workspace of a finished step, unless workspaces are kept."""
        if not self.keep:
            with contextlib.suppress(OSError):
                remove_path(workspace)
