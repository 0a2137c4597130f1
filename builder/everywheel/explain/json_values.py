"""The explanation as JSON values."""

from __future__ import annotations

import dataclasses
from typing import Any

from everywheel.explain.explanation import Explanation, Platform
from everywheel.explain.messages import MessageExplanation
from everywheel.explain.systems import summarize


def make_json(result: Explanation | tuple[MessageExplanation, ...]) -> dict[str, Any]:
    """Return an explanation as JSON values, with everything that the text shows."""
    if isinstance(result, tuple):
        return {"messages": [dataclasses.asdict(explanation) for explanation in result]}
    subject = result.subject
    return {
        "subject": subject.title,
        "kind": subject.kind.value,
        "platforms": [_describe_platform(platform) for platform in result.platforms],
        "unreadable": [{"file": fault.file, "reason": fault.message} for fault in subject.faults],
    }


def _describe_platform(platform: Platform) -> dict[str, Any]:
    summary = summarize(platform.verdicts)
    return {
        "system": platform.system,
        "arch": platform.arch,
        "libc": platform.libc,
        "minimum": platform.minimum,
        "runs": summary.runs,
        "fails": summary.fails,
        "reason": summary.reason,
        "files": platform.files,
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
    }


def _describe_values(value: Any) -> dict[str, Any]:
    return dataclasses.asdict(value)
