"""Steps as data: what a worker of a cluster receives, from which it makes the step by its own plan, and what it returns.

Both are JSON. Neither is trusted: values are checked when they are read, and a result counts only if the remote store has a
signed entry that agrees with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from everywheel.config.recipe import Linkage
from everywheel.errors import (
    AuditError,
    BuildError,
    EverywheelError,
    MachineError,
    SourceError,
    UsageError,
)
from everywheel.execution.scheduler import Outcome
from everywheel.store.entry import is_hash
from everywheel.toolchains.compilers import EngineName

FORMAT = 2
LONGEST_LOG = 1 << 20
"""Characters of a log that are returned, those at its end."""
_LONGEST_TEXT = 1 << 24  # characters
_ERRORS: Mapping[str, type[EverywheelError]] = {
    kind.__name__: kind for kind in (BuildError, UsageError, SourceError, AuditError, MachineError)
}


class InvalidDescription(ValueError):
    """A text does not describe a step or a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDescription:
    """A step of the plan of one target.

    Attributes:
        run: names the run that the step is a part of; its events have this topic.
        project: the cache key of the project's files in the remote store.
        root, config: paths in these files; `config` is empty without a file of settings.
        name, version: those of the extension, which only its backend may know.
        id, key: the step's, which the worker's own plan must confirm.
        target: the tag of a target whose plan has the step.
        image: the name of the build image, for the container engine only.
        verbose: whether the commands and their output are sent while the step runs.
    """

    run: str
    project: str
    root: str
    config: str
    name: str
    version: str
    id: str
    key: str
    label: str
    target: str
    engine: EngineName
    linkage: Linkage
    profiles: tuple[str, ...]
    pythons: tuple[str, ...]
    requires: tuple[str, ...]
    image: str = ""
    verbose: bool

    def to_json(self) -> str:
        """Return the description as text."""
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def parse(cls, text: str) -> StepDescription:
        """Return the description in a text; raise InvalidDescription for any other."""
        facts = _load(text)
        try:
            texts = {name: _text(facts[name]) for name in ("run", "name", "version", "id", "label", "target", "image")}
            lists = {name: tuple(map(_text, facts[name])) for name in ("profiles", "pythons", "requires")}
            keys = {name: _hash(facts[name]) for name in ("project", "key")}
            paths = {name: _relative(facts[name]) for name in ("root", "config")}
            engine, linkage = EngineName(facts["engine"]), Linkage(facts["linkage"])
            values: dict[str, Any] = {**texts, **lists, **keys, **paths}
            return cls(engine=engine, linkage=linkage, verbose=bool(facts["verbose"]), **values)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidDescription(f"not the description of a step: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """The result of a step: the sha256 of its artifact or wheel, or its error, and the end of its log."""

    worker: str
    outcome: Outcome
    sha256: str = ""
    log: str = ""
    notices: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """Return the report as text."""
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def parse(cls, text: object) -> StepReport:
        """Return the report in a text; raise InvalidDescription for anything else."""
        facts = _load(text)
        try:
            error = facts["error"]
            report = cls(
                worker=_text(facts["worker"]),
                outcome=Outcome(facts["outcome"]),
                sha256=facts["sha256"] and _hash(facts["sha256"]),
                log=_text(facts["log"]),
                notices=tuple(map(_text, facts["notices"])),
                error=None if error is None else dict(error),
            )
            if (report.error is None) is not bool(report.sha256):
                raise ValueError("neither a result nor an error")
            return report
        except (KeyError, TypeError, ValueError) as reason:
            raise InvalidDescription(f"not the report of a step: {reason}") from None

    def make_error(self, log: Path) -> EverywheelError | None:
        """Return the error of the step, whose complete log is the file `log` here; None if it succeeded."""
        if self.error is None:
            return None
        facts = self.error
        kind = _ERRORS.get(str(facts.get("kind")), BuildError)
        details = facts.get("details")
        excerpt = facts.get("excerpt")
        return kind(
            str(facts.get("fact")),
            details={str(name): str(value) for name, value in details.items()} if isinstance(details, dict) else None,
            excerpt=tuple(map(str, excerpt)) if isinstance(excerpt, list) else (),
            log=log if facts.get("has_log") else None,
            hint=str(facts["hint"]) if facts.get("hint") else None,
        )


def describe_error(error: EverywheelError) -> dict[str, Any]:
    """Return an error as values of JSON."""
    kind = next((name for name, kind in _ERRORS.items() if isinstance(error, kind)), BuildError.__name__)
    return {
        "kind": kind,
        "fact": error.fact,
        "details": {name: str(value) for name, value in error.details.items()},
        "excerpt": list(error.excerpt),
        "has_log": error.log is not None,
        "hint": error.hint,
    }


def load_facts(text: object) -> dict[str, Any]:
    """Return the JSON object in a text; raise InvalidDescription for anything else."""
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise InvalidDescription("not a text of a usable length")
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidDescription("not JSON") from None
    if not isinstance(facts, dict):
        raise InvalidDescription("not a JSON object")
    return facts


def _load(text: object) -> dict[str, Any]:
    facts = load_facts(text)
    if facts.get("format") != FORMAT:
        raise InvalidDescription("of another format")
    return facts


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of a text")
    return value


def _hash(value: object) -> str:
    if not is_hash(_text(value)):
        raise ValueError("not a sha256")
    return _text(value)


def _relative(value: object) -> str:
    path = Path(_text(value))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("a path that leads out of the project")
    return path.as_posix() if value else ""
