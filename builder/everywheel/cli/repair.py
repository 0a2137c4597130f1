"""Command `repair`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from packaging.utils import canonicalize_name

from everywheel.cli.options import verbose_option
from everywheel.cli.output import echo
from everywheel.cli.store_lease import open_store
from everywheel.config.project import Project, load_project
from everywheel.errors import AuditError, UsageError, printable_line
from everywheel.execution.files import translate_os_errors
from everywheel.platforms.tags import parse_platforms
from everywheel.platforms.target import Target, parse_foreign_target, parse_target
from everywheel.repair.request import RepairRequest, WheelTags
from everywheel.store.local import FIXED_TIME
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
@click.option("--no-audit", is_flag=True, help="Write the repaired wheels without auditing them.")
@verbose_option
@click.pass_obj
def repair_command(
    root: Path, wheels: tuple[Path, ...], prefix: Path, target: str | None, wheelhouse: Path, no_audit: bool
) -> None:
    """Repair wheels that were built against a prefix: graft its shared libraries, add license texts and an SBOM.

    `everywheel deps --output-dir DIR` builds such a prefix. A wheel keeps its Python and ABI tags, its build number and its
    metadata. The result is audited: a wheel with findings is not written, and the exit code is 5.

    Example: everywheel repair dist/foo.whl --prefix prefixes/manylinux_2_17_x86_64 --target manylinux2014_x86_64
    """
    from everywheel.toolchains.build_tools import ensure_tools

    project = load_project(root)
    store = open_store()
    for wheel in wheels:
        if not wheel.is_file():
            raise UsageError(f"{wheel}: no such file", hint="name a wheel that was built against the prefix")
    if not (prefix / "share" / "everywheel").is_dir():
        raise UsageError(
            f"{prefix} is not a prefix", hint="`everywheel deps --output-dir DIR` builds one for each target"
        )
    for wheel, wheel_target, tags in [_check_wheel(wheel, target, project) for wheel in wheels]:
        with TemporaryDirectory(dir=store.root / "tmp") as work:
            request = RepairRequest(
                target=wheel_target,
                prefix=prefix.absolute(),
                patchelf=ensure_tools(store.root).patchelf,
                work=Path(work),
                log=store.root / "logs" / f"repair-{wheel.stem}.log",
                epoch=FIXED_TIME,
                tags=tags,
                exclude=[spec.headers for spec in project.pythons],
                module_exports=project.module_exports if _is_own(wheel, project) else None,
                native=True,
            )
            echo(_repair(wheel.absolute(), request, wheelhouse, audit=not no_audit))


def _check_wheel(wheel: Path, tag: str | None, project: Project) -> tuple[Path, Target, WheelTags]:
    """Return a wheel with its target and its final tags; raise UsageError for one that cannot be repaired.

    The project's own wheel gets the Python tag that the project declares for its ABI: build backends name the Python that
    they run with, also for the stable ABI of an older one.
    """
    from everywheel.repair import check_binaries
    from everywheel.wheels.wheel import read_wheel

    try:
        _, _, build, python, abi, platform = split_filename(wheel.name)
    except ValueError as error:
        raise UsageError(f"{wheel}: {error}", hint="name a wheel (PEP 427)") from None
    if tag is not None:
        target = parse_target(tag)
        platform = target.wheel_tag
    elif platform == "any":
        raise UsageError(
            f"{wheel.name} is for any platform: there is nothing to repair",
            hint="if it contains compiled files, name their target with --target",
        )
    else:
        targets = [parse_foreign_target(parsed.text) for parsed in parse_platforms(platform)]
        target = min(targets, key=lambda target: (target.libc_version, target.os_version))
    check_binaries(read_wheel(wheel), target)
    if _is_own(wheel, project):
        python = next((spec.tag for spec in project.pythons if spec.abi == abi), python)
    return wheel, target, WheelTags(build=build, python=python, abi=abi, platform=platform)


def _is_own(wheel: Path, project: Project) -> bool:
    return canonicalize_name(split_filename(wheel.name)[0]) == canonicalize_name(project.name)


def _repair(wheel: Path, request: RepairRequest, wheelhouse: Path, *, audit: bool) -> Path:
    """Repair and audit one wheel, and move the result into the wheelhouse; raise AuditError if it has findings."""
    from everywheel.audit import audit_wheel, fail_on_findings
    from everywheel.repair import repair_wheel

    finished = repair_wheel(wheel, request, request.work / "finished")
    for note in finished.notes:
        echo(printable_line(f"{finished.path.name}: {note}"), err=True)
    if audit:
        try:
            fail_on_findings((audit_wheel(finished.path),))
        except AuditError as error:
            error.details["result"] = f"not written to {wheelhouse}; with --no-audit, it is written without an audit"
            raise
    with translate_os_errors(wheelhouse):
        wheelhouse.mkdir(parents=True, exist_ok=True)
        unfinished = wheelhouse / f".{finished.path.name}.{os.getpid()}"
        shutil.copyfile(finished.path, unfinished)
        return unfinished.replace(wheelhouse / finished.path.name)


COMMAND = repair_command
