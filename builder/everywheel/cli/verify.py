"""Command `verify`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from everywheel.cli.extras import require_extra
from everywheel.cli.options import json_option
from everywheel.cli.output import echo
from everywheel.cli.wheel_arguments import list_wheels
from everywheel.errors import AuditError, UsageError, printable_line

if TYPE_CHECKING:
    from everywheel.provenance.checks import Check

_CHECKS = ("hash", "contents", "SBOM", "provenance", "inputs", "smoke", "certificate", "signature", "index")

_GITHUB = "https://token.actions.githubusercontent.com"


def _check_issuer(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not value:  # sigstore accepts any then
        raise UsageError(
            "--issuer is empty", hint="leave it out, or name who confirms the identity, such as a login service"
        )
    return value


@click.command("verify", short_help="Verify wheels: hash, contents, SBOM, provenance, smoke tests.")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--provenance", type=click.Path(path_type=Path), metavar="FILE", help="The statement [default: next to the wheel]."
)
@click.option(
    "--smoke",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Statement about smoke tests [default: next to the wheel].",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Public key in PEM; repeatable.",
)
@click.option(
    "--attestation",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Provenance object of a package index (PEP 740) [default: WHEEL.provenance, if there is one].",
)
@click.option("--publisher", default="", metavar="NAME", help="Publisher of it, such as github.com/OWNER/REPOSITORY.")
@click.option(
    "--identity", default="", metavar="URL", help="Identity in the certificate of sigstore that must have signed."
)
@click.option(
    "--issuer",
    default=_GITHUB,
    callback=_check_issuer,
    metavar="URL",
    help="Issuer of that identity [default: of GitHub's workflows].",
)
@click.option("--commit", default="", metavar="SHA", help="Commit that the provenance must name, in full.")
@click.option("--sums", type=click.Path(path_type=Path), metavar="FILE", help="Published hashes, such as SHA256SUMS.")
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(_CHECKS, case_sensitive=False),
    metavar="CHECK",
    help="Accept that a check could not be made, such as signature; repeatable.",
)
@json_option
def verify_command(
    wheels: tuple[Path, ...],
    provenance: Path | None,
    smoke: Path | None,
    keys: tuple[Path, ...],
    attestation: Path | None,
    publisher: str,
    identity: str,
    issuer: str,
    commit: str,
    sums: Path | None,
    without: tuple[str, ...],
    as_json: bool,
) -> None:
    """Verify wheels of any origin, without the network.

    A wheel is verified if every check is right: its hash is the published one, the audit has no finding, the SBOM can be
    read, the statement of provenance is about this file and names the source of every library, the wheel has passed smoke
    tests and failed none, and every statement is signed: with `--key` by one of the keys, with `--identity` by its
    certificate. If there is a provenance object of an index, or a bundle of sigstore, it must be right.
    What cannot be checked is named, and fails unless `--without` accepts it. The exit code is 5 if anything fails.

    Example: everywheel verify dist --sums SHA256SUMS --key key.pub --without signature
    """
    with require_extra("provenance"):
        from everywheel.provenance.envelope import load_public_keys
        from everywheel.provenance.verify import Evidence, read_sums, verify_wheel

    paths = list_wheels(wheels, hint="name finished wheels, or a folder that contains them, such as dist")
    named = {"--provenance": provenance, "--smoke": smoke, "--attestation": attestation}
    if len(paths) > 1 and (option := next((name for name, file in named.items() if file), "")):
        raise UsageError(f"{option} is for one wheel", hint="put each statement next to its wheel")
    evidence = Evidence(
        keys=load_public_keys(keys),
        sums={} if sums is None else read_sums(sums),
        provenance=provenance,
        smoke=smoke,
        commit=commit,
        attestations=attestation,
        publisher=publisher,
        identity=identity,
        issuer=issuer,
    )
    results = {path.name: verify_wheel(path, evidence) for path in paths}
    if as_json:
        document = {name: [dataclasses.asdict(check) for check in checks] for name, checks in results.items()}
        echo(json.dumps(document, indent=1))
    else:
        _print_results(results)
    _fail_on_results(results, {name.casefold() for name in without})


def _print_results(results: Mapping[str, Sequence[Check]]) -> None:
    for name, checks in results.items():
        echo(printable_line(name))
        for check in checks:
            echo(printable_line(f"  {check.verdict:<12}{check.name + ':':<12}{check.detail}"))


def _fail_on_results(results: Mapping[str, Sequence[Check]], accepted: set[str]) -> None:
    """Raise AuditError unless every check is right, or could not be made and is accepted."""
    from everywheel.provenance.checks import Verdict

    lines = [
        f"{name}: {check.name}: {check.verdict}: {check.detail}"
        for name, checks in results.items()
        for check in checks
        if check.verdict is Verdict.FAILED
        or (check.verdict is Verdict.NOT_CHECKED and check.name.casefold() not in accepted)
    ]
    if lines:
        wheels = len({line.partition(": ")[0] for line in lines})
        raise AuditError(
            f"{wheels} of {len(results)} wheels not verified"
            if len(results) > 1
            else f"{next(iter(results))}: not verified",
            excerpt=lines,
            hint="do not use a wheel with a failed check; `--without CHECK` accepts one that could not be made",
        )


COMMAND = verify_command
