"""Command `repair`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from packaging.utils import canonicalize_name, canonicalize_version

from everywheel.cli.options import verbose_option
from everywheel.cli.output import echo
from everywheel.cli.store_lease import open_store
from everywheel.cli.wheel_arguments import check_codes, ignore_option, list_wheels
from everywheel.config.project import Project, load_project
from everywheel.config.toml_reader import read_toml
from everywheel.errors import AuditError, UsageError, printable_line
from everywheel.execution.files import translate_os_errors
from everywheel.libraries.library_facts import load_libraries
from everywheel.platforms.tags import TagFamily, parse_platforms
from everywheel.platforms.target import Target, parse_foreign_target, parse_target
from everywheel.repair.request import RepairRequest, WheelTags
from everywheel.store.local import FIXED_TIME
from everywheel.wheels.target_python import list_module_exports
from everywheel.wheels.wheel import split_filename


@click.command("repair", short_help="Graft libraries into a wheel.")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--prefix", required=True, type=click.Path(path_type=Path), help="Directory with the target's libraries.")
@click.option("--target", "-t", metavar="TAG", help="The target [default: the platform tags of the wheel].")
@click.option(
    "--wheelhouse",
    "-w",
    type=click.Path(path_type=Path),
    default=Path("wheelhouse"),
    show_default=True,
    help="Directory for the repaired wheels.",
)
@ignore_option
@click.option("--no-audit", is_flag=True, help="Write the repaired wheels without auditing them.")
@verbose_option
@click.pass_obj
def repair_command(
    root: Path,
    wheels: tuple[Path, ...],
    prefix: Path,
    target: str | None,
    wheelhouse: Path,
    ignored: tuple[str, ...],
    no_audit: bool,
) -> None:
    """Repair wheels that were built against a prefix: graft its shared libraries, add license texts and an SBOM.

    `everywheel deps --output-dir DIR` builds such a prefix. A wheel keeps its Python and ABI tags, its build number and its
    metadata. The result is audited: a wheel with findings is not written, and the exit code is 5. No project is required; in
    the folder of a project, its own wheels are also checked for the symbols that they may export.

    Example: everywheel repair dist/foo.whl --prefix prefixes/manylinux_2_17_x86_64 --target manylinux2014_x86_64
    """
    from everywheel.toolchains.build_tools import ensure_tools

    codes = check_codes(ignored)
    paths = list_wheels(wheels, hint="name a wheel that was built against the prefix, or a folder with such wheels")
    project = _find_project(root)
    store = open_store()
    if not (prefix / "share" / "everywheel").is_dir():
        raise UsageError(
            f"{prefix} is not a prefix", hint="`everywheel deps --output-dir DIR` builds one for each target"
        )
    checked = [_check_wheel(wheel, target, project) for wheel in paths]
    _check_results(checked)
    for wheel, wheel_target, tags in checked:
        with TemporaryDirectory(dir=store.root / "tmp") as work:
            request = RepairRequest(
                target=wheel_target,
                prefix=prefix.absolute(),
                patchelf=ensure_tools(store.root).patchelf,
                work=Path(work),
                log=store.root / "logs" / f"repair-{wheel.stem}.log",
                epoch=FIXED_TIME,
                tags=tags,
                exclude=[spec.headers for spec in project.pythons] if project else _find_python_headers(prefix),
                module_exports=list_module_exports(project) if project and _is_own(wheel, project) else None,
                native=True,
                data=project.for_target(wheel_target).data if project and _is_own(wheel, project) else {},
            )
            echo(_repair(wheel.absolute(), request, wheelhouse, ignored=None if no_audit else codes))


def _check_wheel(wheel: Path, tag: str | None, project: Project | None) -> tuple[Path, Target, WheelTags]:
    """Return a wheel with its target and its final tags; raise UsageError when its name has none."""
    try:
        *_, platform = split_filename(wheel.name)
    except ValueError as error:
        raise UsageError(f"{wheel}: {error}", hint="name a wheel (PEP 427)") from None
    if tag is not None:
        target = parse_target(tag)
        platform = target.wheel_tag
    else:
        target = _choose_target(wheel.name, platform)
    return wheel, target, choose_tags(wheel, platform, project)


def _check_results(checked: Sequence[tuple[Path, Target, WheelTags]]) -> None:
    """Raise UsageError when the results of two wheels would have the same name."""
    first: dict[tuple[str, str, WheelTags], Path] = {}
    for wheel, _, tags in checked:
        name, version, *_ = split_filename(wheel.name)
        other = first.setdefault((canonicalize_name(name), canonicalize_version(version), tags), wheel)
        if other is not wheel:
            raise UsageError(
                f"{other} and {wheel} would be repaired to the same file",
                hint="repair them into different folders with --wheelhouse",
            )


def choose_tags(wheel: Path, platform: str, project: Project | None) -> WheelTags:
    """Return the final tags of a wheel for a platform tag: its own ones, except for the Python of the project's own wheel.

    The project's own wheel gets the Python tag that the project declares for its ABI: build backends name the Python that
    they run with, also for the stable ABI of an older one.
    """
    _, _, build, python, abi, _ = split_filename(wheel.name)
    if project and _is_own(wheel, project):
        python = next((spec.tag for spec in project.pythons if spec.abi == abi), python)
    return WheelTags(build=build, python=python, abi=abi, platform=platform)


def _choose_target(name: str, platform: str) -> Target:
    """Return the oldest target of a wheel's platform tags; raise UsageError for tags that name no target to repair for."""
    tags = parse_platforms(platform)
    for tag in tags:
        if tag.family is TagFamily.ANY:
            raise UsageError(
                f"{name} is for any platform: there is nothing to repair",
                hint="if it contains compiled files, name their target with --target",
            )
        if tag.family is TagFamily.LINUX:
            raise UsageError(
                f"{name} is for {tag.text}, which promises no C library",
                hint="name the target with --target, such as manylinux2014_x86_64",
            )
        if len(tag.arches) > 1:
            raise UsageError(
                f"{name} is for {tag.arch}: wheels with files for several architectures cannot be repaired",
                hint="a prefix has libraries of one architecture: repair a wheel for each architecture, and merge the results "
                "with `delocate-merge`; `everywheel audit` checks merged wheels",
            )
    targets = [parse_foreign_target(tag.text) for tag in tags]
    return min(targets, key=lambda target: (target.libc_version, target.os_version))


def _is_own(wheel: Path, project: Project) -> bool:
    return canonicalize_name(split_filename(wheel.name)[0]) == canonicalize_name(project.name)


def _find_project(root: Path) -> Project | None:
    """Load the project in a folder; return None if the current directory, the default, has none."""
    path = root / "pyproject.toml"
    if root == Path() and not (path.exists() and read_toml(path, "").table("tool", {}).has("everywheel")):
        return None
    return load_project(root)


def _find_python_headers(prefix: Path) -> list[str]:
    """Return the names of the recipes in a prefix that install headers of Python only; no part of a wheel comes from them."""
    libraries = load_libraries(prefix)
    return [library.name for library in libraries if not library.files and library.license == "PSF-2.0"]


def _repair(wheel: Path, request: RepairRequest, wheelhouse: Path, *, ignored: Collection[str] | None) -> Path:
    """Repair and audit one wheel, and move the result into the wheelhouse; raise AuditError if it has findings.

    Findings with a code in `ignored` are accepted; if it is None, the wheel is not audited.
    """
    from everywheel.audit import audit_wheel, describe_ignored, fail_on_findings, ignore_findings
    from everywheel.repair import repair_wheel

    finished = repair_wheel(wheel, request, request.work / "finished")
    for note in finished.notes:
        echo(printable_line(f"{finished.path.name}: {note}"), err=True)
    if ignored is not None:
        report = ignore_findings(audit_wheel(finished.path), ignored)
        for line in describe_ignored(report):
            echo(f"{finished.path.name}: {line}", err=True)
        try:
            fail_on_findings((report,))
        except AuditError as error:
            error.details["result"] = (
                f"not written to {wheelhouse}; --ignore accepts the findings of a check, --no-audit all"
            )
            raise
    with translate_os_errors(wheelhouse):
        wheelhouse.mkdir(parents=True, exist_ok=True)
        unfinished = wheelhouse / f".{finished.path.name}.{os.getpid()}"
        try:
            shutil.copyfile(finished.path, unfinished)
            return unfinished.replace(wheelhouse / finished.path.name)
        finally:
            unfinished.unlink(missing_ok=True)


COMMAND = repair_command
