"""Command `vex`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from everywheel.cli.output import echo
from everywheel.cli.store_lease import open_store
from everywheel.cli.wheel_arguments import list_wheels
from everywheel.errors import UsageError, count_noun
from everywheel.execution.files import translate_os_errors
from everywheel.store.local import FIXED_TIME


@click.command("vex", short_help="Write a VEX document: the vulnerabilities that wheels do not have.")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--tracker",
    "locations",
    multiple=True,
    metavar="LOCATION",
    help="Also state open vulnerabilities, from Debian's security tracker or OSV: JSON file, folder or URL; repeatable.",
)
@click.option(
    "--author", default="", metavar="TEXT", help="Who makes the statements [default: the name of the project]."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write [default: NAME-VERSION.openvex.json next to the first wheel].",
)
def vex_command(wheels: tuple[Path, ...], locations: tuple[str, ...], author: str, output: Path | None) -> None:
    """Write an OpenVEX document for the wheels of one version.

    It states which vulnerabilities the patches of the libraries fix, so that scanners do not report them. Libraries,
    patches and their vulnerabilities are those in the wheels' SBOMs. Without `--tracker`, the same wheels make the same
    document.

    Example: everywheel vex wheelhouse --author "Jane Doe <security@example.org>"
    """
    from everywheel.sources.advisories import Advisories, load_advisories
    from everywheel.vulnerabilities.components import list_components
    from everywheel.vulnerabilities.matching import State, list_statements
    from everywheel.vulnerabilities.vex import make_vex
    from everywheel.wheels.wheel import read_wheel

    paths = list_wheels(wheels, hint="name finished wheels, or a folder that contains them, such as wheelhouse")
    read = [read_wheel(path) for path in paths]
    versions = sorted({f"{wheel.name} {wheel.version}" for wheel in read})
    if len(versions) > 1:
        raise UsageError(
            "the wheels are of several versions or projects",
            details={"found": ", ".join(versions)},
            hint="one document describes one version: name its wheels only",
        )
    components = {component: None for wheel in read for component in list_components(wheel)}
    packages = {component.package.name for component in components if component.package is not None}
    advisories = load_advisories(locations, packages, open_store().root) if locations else Advisories()
    statements = list_statements(tuple(components), advisories.packages, advisories.entries)
    name, version = read[0].name, read[0].version
    time = datetime.now(UTC) if locations else datetime.fromtimestamp(FIXED_TIME, UTC)
    content = make_vex(name, version, statements, author=author or name, time=time)
    path = output or paths[0].with_name(f"{name}-{version}.openvex.json")
    with translate_os_errors(path, hint="`--output` names another file"):
        path.write_bytes(content)
    fixed = sum(statement.state is State.FIXED for statement in statements)
    echo(f"wrote {path}: {count_noun(len(statements), 'statement')}, {fixed} fixed by patches")


COMMAND = vex_command
