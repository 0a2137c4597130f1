"""repair, audit and doctor."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from everywheel.cli.options import json_option
from everywheel.config.project import choose_python, load_project
from everywheel.errors import MachineError, UsageError
from everywheel.platforms.tags import parse_platforms
from everywheel.platforms.target import parse_target
from everywheel.store.local import FIXED_TIME, Store, default_store

wheel_argument = click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.command("audit", short_help="Check finished wheels.")
@wheel_argument
@json_option
def audit_command(wheels: tuple[Path, ...], as_json: bool) -> None:
    """Open wheels, whoever made them, and report whether each keeps what its tag promises.

    Example: everywheel audit wheelhouse/*.whl
    """
    from everywheel.audit import audit_wheel, fail_on_findings

    reports = tuple(audit_wheel(path) for path in wheels)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(report) for report in reports], indent=1))
    else:
        for report in reports:
            click.echo(f"{report.wheel} ({report.size / 1e6:.2f} MB)")
            for look in report.checks:
                found = sum(finding.check == look.check for finding in report.findings)
                click.echo(f"  {'FINDING' if found else 'ok':<8}{look.check + ':':<14}{look.message}")
    fail_on_findings(reports)


@click.command("repair", short_help="Graft libraries into a wheel.")
@wheel_argument
@click.option("--prefix", required=True, type=click.Path(path_type=Path), help="Folder with the target's libraries.")
@click.option("--target", "-t", metavar="TAG", help="The target [default: what the wheel's own tag says].")
@click.option("--wheelhouse", "-w", type=click.Path(path_type=Path), default=Path("wheelhouse"), show_default=True)
@click.pass_obj
def repair_command(root: Path, wheels: tuple[Path, ...], prefix: Path, target: str | None, wheelhouse: Path) -> None:
    """Repair wheels that were built against a prefix: graft its shared libraries, add licence texts and an SBOM.

    `everywheel deps --output-dir DIR` makes such a prefix.

    Example: everywheel repair dist/foo.whl --prefix prefixes/manylinux_2_17_x86_64 --target manylinux2014_x86_64
    """
    from everywheel.repair import RepairRequest, check_binaries, repair_wheel
    from everywheel.toolchains.build_tools import ensure_tools
    from everywheel.wheels.wheel import read_wheel, split_filename

    project = load_project(root)
    store = Store(default_store())
    for wheel in wheels:
        if not wheel.is_file():
            raise UsageError(f"{wheel}: no such file", hint="name a wheel that was built against the prefix")
    if not (prefix / "share" / "everywheel").is_dir():
        raise UsageError(
            f"{prefix} is not a prefix", hint="`everywheel deps --output-dir DIR` makes one for each target"
        )
    jobs = []
    for wheel in wheels:
        try:
            *_, abi, platform = split_filename(wheel.name)
        except ValueError as error:
            raise UsageError(f"{wheel}: {error}", hint="name a wheel (PEP 427)") from None
        meant = parse_target(target or parse_platforms(platform)[0].text)
        jobs.append((wheel, choose_python(project, abi), meant))
        check_binaries(read_wheel(wheel), meant)  # before the tools are fetched, and before any wheel is repaired
    for wheel, python, meant in jobs:
        with TemporaryDirectory(dir=store.root / "tmp") as work:
            repair = RepairRequest(
                target=meant,
                prefix=prefix.absolute(),
                patchelf=ensure_tools(store.root).patchelf,
                work=Path(work),
                log=store.root / "logs" / f"repair-{wheel.stem}.log",
                epoch=FIXED_TIME,
                leave_out=[one.headers for one in project.pythons],
                python=python.tag,
                abi=python.abi,
                native=True,
            )
            click.echo(repair_wheel(wheel.absolute(), repair, wheelhouse))


@click.command("doctor", short_help="Say what this machine has and lacks.")
@json_option
def doctor_command(as_json: bool) -> None:
    """Check what a build needs of this machine, and say what to install where something is missing.

    Example: everywheel doctor
    """
    from everywheel.cli.doctor import examine

    checks = examine(default_store())
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(check) for check in checks], indent=1))
    else:
        for check in checks:
            click.echo(f"{check.state:<9}{check.name + ':':<19}{check.words}")
            if check.advice:
                click.echo(f"{'':<9}{'':<19}{check.advice}")
    missing = [check.name for check in checks if check.state == "missing"]
    if missing:
        raise MachineError(f"this machine lacks {', '.join(missing)}", hint="the lines above say what to install")


COMMANDS = (repair_command, audit_command, doctor_command)
