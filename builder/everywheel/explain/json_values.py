"""The explanation as JSON values."""

from __future__ import annotations

import dataclasses
from typing import Any

from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.pe import PeFacts
from everywheel.explain.explanation import Explanation, Platform
from everywheel.explain.hardening import list_protections
from everywheel.explain.lower import list_steps
from everywheel.explain.messages import MessageExplanation
from everywheel.explain.size import measure
from everywheel.explain.subjects import Subject
from everywheel.explain.systems import summarize


def make_json(result: Explanation | tuple[MessageExplanation, ...]) -> dict[str, Any]:
    """Return an explanation as JSON values, with everything that the text shows."""
    if isinstance(result, tuple):
        return {"messages": [dataclasses.asdict(explanation) for explanation in result]}
    subject = result.subject
    return {
        "subject": subject.title,
        "kind": subject.kind.value,
        "platforms": [_describe_platform(platform, subject) for platform in result.platforms],
        "size": dataclasses.asdict(measure(subject)),
        "unreadable": [{"file": fault.file, "reason": fault.message} for fault in subject.faults],
    }


def _describe_platform(platform: Platform, subject: Subject) -> dict[str, Any]:
    summary = summarize(platform.verdicts)
    return {
        "system": platform.system,
        "arch": platform.arch,
        "libc": platform.libc,
        "minimum": platform.minimum,
        "runs": summary.runs,
        "fails": summary.fails,
        "reason": summary.reason,
        "processor": _describe_values(platform.processor) if platform.processor else None,
        "files": [_describe_file(path, subject) for path in platform.files],
        "requires": [{"version": cause.version, **_describe_values(cause)} for cause in platform.causes],
        "libraries": [_describe_values(library) for library in platform.libraries],
        "distributions": [
            {
                "name": verdict.distribution.name,
                "libc": f"{verdict.distribution.libc} {verdict.distribution.libc_version}",
                "end of life": verdict.distribution.end_of_life,
                "runs": verdict.runs,
                "reasons": verdict.reasons,
            }
            for verdict in platform.verdicts
        ],
        "lower": [_describe_values(step) for step in list_steps(platform)],
    }


def _describe_file(path: str, subject: Subject) -> dict[str, Any]:
    binary = subject.contents.binaries[path]
    protections = list_protections(binary) if isinstance(binary, ElfFacts | PeFacts) else ()
    return {
        "path": path,
        "machine": binary.machine,
        "exports": binary.exports,
        "search path": binary.rpath,
        "protections": {item.name: item.state for item in protections},
    }


def _describe_values(value: Any) -> dict[str, Any]:
    return dataclasses.asdict(value)
