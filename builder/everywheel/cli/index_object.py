"""Command `release index-object`."""

from __future__ import annotations

from pathlib import Path

import click

from everywheel.cli.extras import require_extra
from everywheel.cli.output import echo
from everywheel.cli.wheel_arguments import list_wheels
from everywheel.execution.files import translate_os_errors


@click.command("index-object", short_help="Write the provenance objects of wheels for an index (PEP 740).")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
def index_object_command(wheels: tuple[Path, ...]) -> None:
    """Write WHEEL.provenance, the provenance object that an index serves (PEP 740), next to each wheel.

    Its attestations are the bundle of sigstore next to the wheel (WHEEL.sigstore.json, or as `gh attestation download` names
    it) and WHEEL.publish.attestation, as the action that publishes writes it. Each is verified first, without the network.

    Example: everywheel release index-object dist
    """
    with require_extra("attestations"):
        from everywheel.provenance.index_provenance import make_index_object

    for wheel in list_wheels(wheels, hint="name wheels, or a folder that contains them, such as dist"):
        path = wheel.with_name(f"{wheel.name}.provenance")
        content = make_index_object(wheel)
        with translate_os_errors(wheel.parent, hint="copy the wheels to a folder that you may write to"):
            path.write_bytes(content)
        echo(f"wrote {path}")
