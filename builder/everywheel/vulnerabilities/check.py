"""The check `vulnerabilities` of the audit: open vulnerabilities of the libraries that a wheel's SBOM lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from everywheel.audit.report import VULNERABILITIES, CheckSummary, Finding, Report
from everywheel.errors import BuildError, count_noun
from everywheel.sources.advisories import Advisories, load_advisories
from everywheel.sources.distro.packaging import sort_key
from everywheel.vulnerabilities.components import LibraryComponent, list_components
from everywheel.vulnerabilities.matching import State, Statement, list_statements
from everywheel.wheels.wheel import read_wheel


def add_vulnerabilities(
    reports: Sequence[Report], paths: Sequence[Path], locations: Sequence[str], store: Path
) -> tuple[Report, ...]:
    """Return the reports with the results of this check; a wheel that cannot be read keeps its report.

    `locations` are those of Debian's security tracker and of OSV's entries. Raises SourceError when it is not available, and
    UsageError for a wheel whose SBOM is missing or cannot be read.
    """
    components = {path: _read_components(path) for path in paths}
    packages = {
        each.package.name for libraries in components.values() for each in libraries or () if each.package is not None
    }
    advisories = load_advisories(locations, packages, store)
    return tuple(
        report if libraries is None else _add_results(report, libraries, advisories)
        for report, libraries in zip(reports, components.values(), strict=True)
    )


def _read_components(path: Path) -> tuple[LibraryComponent, ...] | None:
    try:
        wheel = read_wheel(path)
    except BuildError:
        return None  # the audit has reported it
    return list_components(wheel)


def _add_results(report: Report, components: Sequence[LibraryComponent], advisories: Advisories) -> Report:
    statements = list_statements(components, advisories.packages, advisories.entries)
    findings = tuple(_make_finding(each, report.wheel) for each in statements if each.state is State.OPEN)
    compared = [each for each in components if _is_known(each, advisories)]
    summary = CheckSummary(
        check=VULNERABILITIES,
        message=_summarize(components, compared, statements),
    )
    return replace(report, checks=(*report.checks, summary), findings=(*report.findings, *findings))


def _is_known(component: LibraryComponent, advisories: Advisories) -> bool:
    """Return whether the tracker was read for the source package of a library, or an entry of OSV is about its project."""
    package = component.package
    return (package is not None and package.name in advisories.packages) or any(
        entry.is_comparable(component.commit) and entry.names & component.upstream_names for entry in advisories.entries
    )


def _make_finding(statement: Statement, wheel: str) -> Finding:
    fix = f"fixed in {statement.fixed_in}" if statement.fixed_in else "no fixed version"
    urgency = f" ({statement.urgency})" if statement.urgency else ""
    return Finding(
        check=VULNERABILITIES,
        file=wheel,
        message=f"{statement.component.title}: {statement.vulnerability}{urgency}, {fix}",
        evidence=(statement.description,) if statement.description else (),
    )


def _summarize(
    components: Sequence[LibraryComponent],
    compared: Sequence[LibraryComponent],
    statements: Sequence[Statement],
) -> str:
    counts = {state: sum(each.state is state for each in statements) for state in State}
    parts = [
        f"{count_noun(len(components), 'library', 'libraries')}",
        f"{counts[State.FIXED]} fixed by patches",
        f"{counts[State.OPEN]} open",
        f"{counts[State.MINOR]} unimportant",
    ]
    unknown = [each.name for each in components if each not in compared]
    rest = f"; not compared: {', '.join(unknown)}" if unknown else ""
    incomparable = {each.vulnerability for each in statements if each.state is State.NOT_COMPARED}
    if incomparable:
        rest += f"; not compared, since they name commits only: {', '.join(sorted(incomparable, key=sort_key))}"
    return ", ".join(parts) + rest
