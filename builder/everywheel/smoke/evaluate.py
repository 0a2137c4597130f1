"""Evaluation of a smoke test: a `SmokeResult` from the end of a container and the report that was written in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from everywheel.audit.wheel_contents import read_wheel_contents
from everywheel.containers.catalog import SmokeImage
from everywheel.containers.runtime import ContainerEnd, ContainerResult
from everywheel.execution.process import excerpt
from everywheel.smoke.explain import Failure, FailureContext, explain, quote_failure
from everywheel.smoke.imports import describe_failed_imports, list_imported, list_missing
from everywheel.smoke.inside.protocol import SmokeReport, Stage
from everywheel.smoke.matrix_entries import MatrixEntry
from everywheel.smoke.result import SmokeResult, SmokeState


def evaluate_result(entry: MatrixEntry, container: ContainerResult, report: SmokeReport | None) -> SmokeResult:
    """Return the result of an entry from how its container ended and from the report, if one was written."""
    if report is None:
        return _evaluate_without_report(entry, container)
    result = replace(
        entry.make_result(SmokeState.ERROR),
        python=report.python,
        seconds=round(container.seconds, 2),
        test_seconds=round(sum(stage.seconds for stage in report.stages if stage.stage is not Stage.INSTALL), 2),
        imported=list_imported(report.imports),
        not_imported=list_missing(report.imports),
        actual_libc=_describe_libc(report),
        loaded_libraries=report.loaded_libraries,
    )
    last = report.stages[-1]
    if last.exit_code != 0:
        # QEMU itself rejects the name of the processor: the wheel was never started.
        if "unable to find CPU model" in last.output:
            message = f"QEMU does not support the processor '{entry.cpu}'"
            return replace(result, message=message, evidence=tuple(excerpt(last.output)))
        failure = Failure(stage=last.stage, exit_code=last.exit_code, output=last.output, reason=container.reason)
        context = FailureContext(
            target=entry.target, image=entry.image, cpu=entry.cpu, needed=list_needed_libraries(entry.wheel)
        )
        message = (
            _explain_imports(report, failure, context) if last.stage is Stage.IMPORT else explain(failure, context)
        )
        return replace(result, state=SmokeState.FAILED, message=message, evidence=quote_failure(last.output))
    if not _has_catalog_libc(entry.image, report):
        message = f"the image has {result.actual_libc}, but its catalog entry has {entry.image.libc_label}"
        return replace(result, message=message)
    if not report.loaded_libraries:
        message = "no loaded library was recorded: the smoke command must be a Python that imports `sitecustomize`"
        return replace(result, message=message)
    result = replace(result, system_libraries=report.unexpected_libraries)
    # An image with additional packages is for wheels that load libraries from these.
    if report.unexpected_libraries and not entry.image.packages:
        libraries = ", ".join(report.unexpected_libraries)
        message = f"the wheel loaded {libraries} from the system, which {entry.target.wheel_tag} does not promise"
        return replace(result, state=SmokeState.FAILED, message=message)
    return replace(result, state=SmokeState.PASSED, evidence=tuple(last.output.strip().splitlines()[-1:]))


def _explain_imports(report: SmokeReport, failure: Failure, context: FailureContext) -> str:
    return describe_failed_imports(report.imports, lambda error: explain(replace(failure, output=error), context))


def _evaluate_without_report(entry: MatrixEntry, container: ContainerResult) -> SmokeResult:
    """Return the result of a container that did not start, or that was killed before it had written its report."""
    killed = container.end in (ContainerEnd.TIMED_OUT, ContainerEnd.OUT_OF_MEMORY)
    failure = Failure(
        stage=None,
        exit_code=container.exit_code,
        output=f"{container.reason}\n{container.output}",
        reason=container.reason if killed else "",
    )
    return entry.make_result(
        SmokeState.FAILED,
        seconds=container.seconds,
        message=explain(failure, FailureContext(target=entry.target, image=entry.image, cpu=entry.cpu)),
        evidence=tuple(excerpt(failure.output)),
    )


def list_needed_libraries(wheel: Path) -> frozenset[str]:
    """Return the names of all libraries that files in a wheel need; empty for a wheel that cannot be read."""
    content, _ = read_wheel_contents(wheel) if wheel.is_file() else (None, ())
    if content is None:
        return frozenset()
    return frozenset(name for elf in content.elves.values() for name in elf.needed)


def _describe_libc(report: SmokeReport) -> str:
    if not report.libc_version:
        return f"{report.libc} of unknown version"
    return f"{report.libc} {'.'.join(map(str, report.libc_version))}"


def _has_catalog_libc(image: SmokeImage, report: SmokeReport) -> bool:
    return report.libc == image.libc and report.libc_version[:2] >= image.libc_version[:2]
