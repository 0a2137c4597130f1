"""Statements about the results of `smoke`, one for each wheel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from everywheel.cli.extras import require_extra
from everywheel.cli.options import collect_options
from everywheel.cli.output import echo
from everywheel.config.project import Smoke
from everywheel.errors import UsageError
from everywheel.execution.files import hash_file, translate_os_errors
from everywheel.smoke.result import SmokeResult


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementOptions:
    """The directory to which statements are written, if any, and the private key that signs them."""

    statements: Path | None = None
    sign_key: Path | None = None

    def start(self, wheels: Sequence[Path]) -> Mapping[Path, str]:
        """Return the hashes of the wheels before they are tested; check the key, since tests may take an hour."""
        if self.statements is None:
            if self.sign_key is not None:
                raise UsageError("--sign-key signs statements", hint="add `--statements DIR`")
            return {}
        with require_extra("provenance"):
            from everywheel.provenance.envelope import sign_statement

        if self.sign_key is not None:
            sign_statement(b"", self.sign_key)
        with translate_os_errors(self.statements, hint="`--statements` names another directory"):
            self.statements.mkdir(parents=True, exist_ok=True)
        return {wheel: hash_file(wheel) for wheel in wheels}

    def write(self, hashes: Mapping[Path, str], results: Sequence[SmokeResult], smoke: Smoke) -> None:
        """Write a statement about each wheel that has results; raise UsageError for a wheel that has changed meanwhile."""
        if self.statements is None:
            return
        from everywheel.provenance.envelope import sign_statement
        from everywheel.provenance.smoke_statement import find_smoke_statement, make_smoke_statement

        for wheel, sha256 in hashes.items():
            own = [result for result in results if result.wheel == wheel.name]
            if not own:
                continue
            if hash_file(wheel) != sha256:
                raise UsageError(f"{wheel} was changed while it was tested", hint="run the command again")
            content = make_smoke_statement(sha256, own, smoke)
            path = find_smoke_statement(self.statements / wheel.name)
            with translate_os_errors(self.statements, hint="`--statements` names another directory"):
                path.write_bytes(content if self.sign_key is None else sign_statement(content, self.sign_key))
            echo(f"wrote {path}{'' if self.sign_key is None else ', signed'}", err=True)


statement_options = collect_options(
    "statements",
    StatementOptions,
    click.option(
        "--statements",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Write WHEEL.smoke.json, the results as an in-toto statement, into this directory.",
    ),
    click.option(
        "--sign-key", type=click.Path(path_type=Path), metavar="FILE", help="Private key in PEM that signs them (DSSE)."
    ),
)
