"""`build --debug-symbols`: a second build with debug data, from which the debug files of the wheels are extracted.

A compiler may make other code of a function when it keeps debug data of variables. Wheels with such code are built once more,
with debug data that has lines only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from everywheel.cli.output import echo
from everywheel.cli.run_plan import exit_code, run_plan
from everywheel.config.project import Project
from everywheel.errors import UsageError, count_noun, printable_line
from everywheel.pipeline import BuildOptions, plan_targets
from everywheel.planning.steps import Plan
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.build_lock import ensure_build_lock

_VARIABLES, _LINES = "-g", "-gline-tables-only"
_REASON = "with those, the compiler makes other code of it, or of a library that it names"


def check_debug_symbols(engine: EngineName, where: object, *, is_requested: bool) -> None:
    """Raise UsageError if debug files are requested of an engine without debug data, or of a build on other machines."""
    if not is_requested:
        return
    if engine is not EngineName.ZIG:
        raise UsageError(
            f"--debug-symbols needs the zig engine, not {engine}", hint="leave out `--engine` or `--debug-symbols`"
        )
    if where is not None:
        raise UsageError(
            "--debug-symbols builds on this machine",
            hint="build the wheels on the others first, and run this command without `--shard` and `--executor`",
        )


def build_debug_symbols(
    plan: Plan,
    project: Project,
    store: Store,
    options: BuildOptions,
    wheels: Mapping[str, Path],
    *,
    quiet: bool = False,
) -> tuple[int, Mapping[str, tuple[Path, ...]]]:
    """Build the wheels for Linux with debug data, and write their debug files; return the exit code and the files by step.

    The wheels themselves are not built again: those in the wheelhouse have the bytes of a build without debug data.
    """
    for tag in sorted({plan.steps[id].target.tag for id in wheels if plan.steps[id].target.os != "linux"}):
        echo(f"note: no debug files for {tag}: they are ELF files, which only Linux has", err=True)
    linux = {id: wheel for id, wheel in wheels.items() if plan.steps[id].target.os == "linux"}
    if not linux:
        return 0, {}
    from everywheel.debug_symbols.debug_folder import find_other_code, write_debug_files  # slow to import

    project = ensure_build_lock(project, store, offline=options.offline)
    builder = _Builder(plan=plan, project=project, store=store, options=options, quiet=quiet)
    code, twins = builder.build(linux, _VARIABLES)
    other = {id: find_other_code(linux[id], twin) for id, twin in twins.items()}
    code_of_lines, lines = builder.build([id for id, files in other.items() if files], _LINES)
    debug: dict[str, tuple[Path, ...]] = {}
    for id, twin in twins.items():
        wheel, folder = linux[id], linux[id].parent / "debug"
        files = write_debug_files(wheel, [twin, *([lines[id]] if id in lines else [])], folder)
        debug[id] = written = tuple(file.path for file in files if file.path is not None)
        size = sum(path.stat().st_size for path in written) / 1e6
        if not quiet:
            echo(f"debug data: {count_noun(len(written), 'file')} of {wheel.name} in {folder} ({size:.2f} MB)")
        for name in other[id]:
            echo(printable_line(f"note: the debug data of {name} has lines, but no variables: {_REASON}"), err=True)
        for file in files:
            if file.reason:
                echo(printable_line(f"note: no debug data for {file.file}: {file.reason}"), err=True)
    return max(code, code_of_lines), debug


@dataclass(frozen=True, slots=True, kw_only=True)
class _Builder:
    """Builds the twins of wheels, with debug data."""

    plan: Plan
    project: Project
    store: Store
    options: BuildOptions
    quiet: bool

    def build(self, wheels: Collection[str], flag: str) -> tuple[int, dict[str, Path]]:
        """Build the twins of the wheels of some steps; return the exit code, and the twins that were built, by step."""
        if not wheels:
            return 0, {}
        targets = tuple(dict.fromkeys(self.plan.steps[id].target for id in wheels))
        twins = plan_targets(self.project, targets, self.options.engine, debug_data=flag)
        options = replace(self.options, results=tuple(wheels))
        results = run_plan(twins, self.project, self.store, options, quiet=self.quiet)
        entries = {id: self.store.find(twins.steps[id].key) for id in wheels}
        return exit_code(results), {id: self.store.path(entry) for id, entry in entries.items() if entry is not None}
