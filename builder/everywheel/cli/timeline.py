"""The timeline of a build, read from the events of its trace: steps, their stages, transfers, and the longest path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STEPS, TRANSFERS = 1, 2
"""The processes of a trace: each has lanes of its own."""
STAGE, TRANSFER = "stage", "transfer"
"""The categories of events that are not tasks."""
_MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a build, with its start and end in seconds since the beginning of the trace."""

    name: str
    lane: int
    start: float
    end: float
    outcome: str = ""
    processor_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineStep(Span):
    """A step, or the preparation of a compiler; `requires` are the ids of the steps whose results it uses."""

    id: str
    requires: tuple[str, ...]
    stages: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All that ran in a build, in the order of the starts; `longest_path` has the ids of steps, the first one first."""

    steps: tuple[TimelineStep, ...]
    transfers: tuple[Span, ...]
    longest_path: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """The wall-clock time from the beginning of the trace to the end of what ended last."""
        return max((span.end for span in (*self.steps, *self.transfers)), default=0.0)


def read_timeline(events: Iterable[Mapping[str, Any]]) -> Timeline:
    """Return the timeline of a trace."""
    spans = sorted((event for event in events if event["ph"] == "X"), key=lambda event: float(event["ts"]))
    tasks = [event for event in spans if event["pid"] == STEPS and event["cat"] != STAGE]
    stages = [event for event in spans if event["cat"] == STAGE]
    steps = tuple(_read_step(event, stages) for event in tasks)
    return Timeline(
        steps=steps,
        transfers=tuple(Span(**_read_facts(event)) for event in spans if event["pid"] == TRANSFERS),
        longest_path=find_longest_path(steps),
    )


def _read_step(event: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]) -> TimelineStep:
    own = [stage for stage in stages if stage["tid"] == event["tid"] and 0 <= stage["ts"] - event["ts"] < event["dur"]]
    return TimelineStep(
        **_read_facts(event),
        id=event["args"].get("id", event["name"]),
        requires=tuple(event["args"].get("requires", ())),
        stages=tuple(Span(**_read_facts(stage)) for stage in own),
    )


def _read_facts(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a Span."""
    start = event["ts"] / _MICROSECONDS
    return {
        "name": event["name"],
        "lane": event["tid"],
        "start": start,
        "end": start + event["dur"] / _MICROSECONDS,
        "outcome": event["args"].get("outcome", ""),
        "processor_seconds": event["args"].get("processor_seconds", 0.0),
    }


def find_longest_path(steps: Sequence[TimelineStep]) -> tuple[str, ...]:
    """Return the ids of the steps, each of which requires the one before it, that together took the longest."""
    lengths: dict[str, float] = {}
    before: dict[str, str] = {}
    for step in sorted(steps, key=lambda step: step.start):  # a step begins after all that it requires
        required = [id for id in step.requires if id in lengths]
        longest = max(required, key=lambda id: lengths[id], default="")
        lengths[step.id] = step.seconds + lengths.get(longest, 0.0)
        if longest:
            before[step.id] = longest
    id = max(lengths, key=lambda id: lengths[id], default="")
    path = []
    while id:
        path.append(id)
        id = before.get(id, "")
    return tuple(reversed(path))
