"""Command `repair`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from everywheel.cli.options import verbose_option
from everywheel.config.project import Project, PythonSpec, choose_python, load_project
from everywheel.errors import UsageError
from everywheel.platforms.tags import parse_platforms
from everywheel.platforms.target import Target, parse_target
from everywheel.store.local import FIXED_TIME, Store, default_store


@click.command("repair", short_help="Graft libraries into a wheel.")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--prefix", required=True, type=click.Path(path_type=Path), help="Directory with the target's libraries.")
@click.option("--target", "-t", metavar="TAG", help="The target [default: the platform tag of the wheel].")
@click.option(
    "--wheelhouse",
    "-w",
    type=click.Path(path_type=Path),
    default=Path("wheelhouse"),
    show_default=True,
    help="Directory for the repaired wheels.",
)
@verbose_option
@click.pass_obj
def repair_command(root: Path, wheels: tuple[Path, ...], prefix: Path, target: str | None, wheelhouse: Path) -> None:
    """Repair wheels that were built against a prefix: graft its shared libraries, add license texts and an SBOM.

    `everywheel deps --output-dir DIR` builds such a prefix.

    Example: everywheel repair dist/foo.whl --prefix prefixes/manylinux_2_17_x86_64 --target manylinux2014_x86_64
    """
    from everywheel.repair import RepairRequest, repair_wheel
    from everywheel.toolchains.build_tools import ensure_tools

    project = load_project(root)
    store = Store(default_store())
    for wheel in wheels:
        if not wheel.is_file():
            raise UsageError(f"{wheel}: no such file", hint="name a wheel that was built against the prefix")
    if not (prefix / "share" / "everywheel").is_dir():
        raise UsageError(
            f"{prefix} is not a prefix", hint="`everywheel deps --output-dir DIR` builds one for each target"
        )
    for wheel, python, wheel_target in list(_check_wheels(project, wheels, target)):
        with TemporaryDirectory(dir=store.root / "tmp") as work:
            request = RepairRequest(
                target=wheel_target,
                prefix=prefix.absolute(),
                patchelf=ensure_tools(store.root).patchelf,
                work=Path(work),
                log=store.root / "logs" / f"repair-{wheel.stem}.log",
                epoch=FIXED_TIME,
                exclude=[spec.headers for spec in project.pythons],
                python=python.tag,
                abi=python.abi,
                native=True,
            )
            click.echo(repair_wheel(wheel.absolute(), request, wheelhouse))


def _check_wheels(
    project: Project, wheels: Sequence[Path], tag: str | None
) -> Iterator[tuple[Path, PythonSpec, Target]]:
    """Yield each wheel with its Python and target; raise UsageError for the first that cannot be repaired."""
    from everywheel.repair import check_binaries
    from everywheel.wheels.wheel import read_wheel, split_filename

    for wheel in wheels:
        try:
            *_, abi, platform = split_filename(wheel.name)
        except ValueError as error:
            raise UsageError(f"{wheel}: {error}", hint="name a wheel (PEP 427)") from None
        target = parse_target(tag or parse_platforms(platform)[0].text)
        check_binaries(read_wheel(wheel), target)
        yield wheel, choose_python(project, abi), target


COMMAND = repair_command
