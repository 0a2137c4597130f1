"""Command `provenance`."""

from __future__ import annotations

from pathlib import Path

import click

from everywheel.cli.build import choose_wheelhouse
from everywheel.cli.extras import require_extra
from everywheel.cli.options import Selection, selection_options
from everywheel.cli.output import echo
from everywheel.cli.run_plan import choose_targets
from everywheel.cli.store_lease import open_store
from everywheel.errors import UsageError
from everywheel.execution.files import translate_os_errors
from everywheel.pipeline import plan_targets
from everywheel.toolchains.compilers import EngineName


@click.command("provenance", short_help="Write the provenance of built wheels: every input of their builds.")
@selection_options
@click.option(
    "--output-dir",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write WHEEL.provenance.json into this directory [default: the wheelhouse].",
)
@click.option(
    "--sign-key", type=click.Path(path_type=Path), metavar="FILE", help="Private key in PEM that signs (DSSE)."
)
@click.option(
    "--builder",
    default="https://slsa.dev/provenance/v1#unspecified",
    metavar="URI",
    help="Who controls this machine, SLSA's builder.id, such as the URL of the workflow [default: unspecified].",
)
@click.pass_obj
def provenance_command(
    root: Path, selection: Selection, output_dir: Path | None, sign_key: Path | None, builder: str
) -> None:
    """Write SLSA provenance (v1) for the project's wheels that were built on this machine.

    A statement names the wheel by its hash and lists every input: the commit, each source and patch with its hash, the
    recipes, the build requirements, the tools, and the cache key of each step. `everywheel verify` checks a wheel with it.

    Example: everywheel provenance --target manylinux2014_x86_64 --sign-key key.pem
    """
    from everywheel.config.pins import parse_pins
    from everywheel.toolchains.build_tools import PINS
    from everywheel.wheels.build_lock import find_build_lock

    with require_extra("provenance"):
        from everywheel.provenance.build import describe_build
        from everywheel.provenance.envelope import sign_statement
        from everywheel.provenance.statement import make_statement

    if selection.engine is EngineName.CONTAINER:
        raise UsageError("the plan of the container engine is made in a container", hint="leave out `--engine`")
    store = open_store()
    project = find_build_lock(selection.load_project(root), store)
    plan = plan_targets(project, choose_targets(project, selection.targets, selection.engine), selection.engine)
    folder = output_dir or choose_wheelhouse(project, selection.engine)
    tools = parse_pins(PINS.read_text())
    for step in plan.wheels.values():
        entry = store.find(step.key)
        if entry is None:
            raise UsageError(
                f"{step.label} has not been built from the files as they are now",
                hint=f"`everywheel build --target {step.target.tag}` builds it",
            )
        content = make_statement(describe_build(project, plan, step, entry, selection.engine, tools), builder)
        path = folder / f"{Path(entry.file).name}.provenance.json"
        with translate_os_errors(folder, hint="`--output-dir` names another directory"):
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if sign_key is None else sign_statement(content, sign_key))
        echo(f"wrote {path}{'' if sign_key is None else ', signed'}")


COMMAND = provenance_command
