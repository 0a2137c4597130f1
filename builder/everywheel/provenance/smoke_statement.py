"""In-toto statements about smoke tests: made from the results of a wheel, and read from files that anyone may have written.

The predicate is a test result (https://in-toto.io/attestation/test-result/v0.1). A test is the wheel on one system, by the
name of its image; the configuration has the digest of each image and the Python that ran in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from everywheel.config.project import Smoke
from everywheel.errors import count_noun
from everywheel.provenance.checks import Check, Verdict, fail, skip
from everywheel.provenance.statement import InvalidStatement, find_other_subject, parse_statement
from everywheel.smoke.result import FAILED_STATES, SmokeResult, SmokeState

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
_NAME = "smoke"
_LISTS = ("passedTests", "warnedTests", "failedTests")
_MOST_NAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTests:
    """The content of a statement: the hashes of its subjects by name, and the names of the tests by their result."""

    subjects: Mapping[str, str]
    passed: tuple[str, ...]
    warned: tuple[str, ...]
    failed: tuple[str, ...]


def find_smoke_statement(wheel: Path) -> Path:
    """Return the file with the results of a wheel's smoke tests, next to it."""
    return wheel.with_name(f"{wheel.name}.smoke.json")


def make_smoke_statement(sha256: str, results: Sequence[SmokeResult], smoke: Smoke) -> bytes:
    """Return the statement about a wheel as JSON; it has no times, so that the same results give the same bytes.

    `results` are all results of the wheel, whose hash is `sha256`. Only a test in a real system counts as passed; one under
    Wine, and a wheel that was examined and not run, are warnings.
    """
    lists: dict[str, list[str]] = {name: [] for name in _LISTS}
    for result in results:
        lists[_choose_list(result.state)].append(_name_test(result))
    predicate = {
        "result": _summarize(*lists.values()),
        "configuration": [
            _describe_command(smoke),
            *(_describe_image(result) for result in results if result.image_digest),
        ],
        **lists,
    }
    subject = ResourceDescriptor(name=results[0].wheel, digest={"sha256": sha256})
    statement = Statement([subject.pb], TEST_RESULT, predicate)
    statement.validate()
    return f"{json.dumps(MessageToDict(statement.pb), indent=1, sort_keys=True)}\n".encode()


def _choose_list(state: SmokeState) -> str:
    if state in FAILED_STATES:
        return "failedTests"
    return "passedTests" if state is SmokeState.PASSED else "warnedTests"


def _name_test(result: SmokeResult) -> str:
    return result.image if result.state in (SmokeState.PASSED, SmokeState.FAILED) else f"{result.image}: {result.state}"


def _summarize(passed: Sequence[str], warned: Sequence[str], failed: Sequence[str]) -> str:
    if failed:
        return "FAILED"
    return "WARNED" if warned or not passed else "PASSED"


def _describe_command(smoke: Smoke) -> dict[str, Any]:
    toolkit = version("everywheel")
    annotations = {"command": list(smoke.command), "requires": list(smoke.requires), "exclude": list(smoke.exclude)}
    return {
        "name": f"everywheel {toolkit}",
        "uri": f"pkg:pypi/everywheel@{toolkit}",
        "annotations": {name: values for name, values in annotations.items() if values},
    }


def _describe_image(result: SmokeResult) -> dict[str, Any]:
    """Return the image of a test; one that was built on the machine of the test has no `uri`."""
    annotations = {
        "architecture": result.arch,
        "libc": result.actual_libc,
        "python": result.python,
        "emulator": result.emulator,
        "imported": list(result.imported),
        "notImported": dict(result.not_imported),
    }
    return {
        "name": result.image,
        **({"uri": result.image_reference} if result.image_reference else {}),
        "digest": {"sha256": result.image_digest.removeprefix("sha256:")},
        "annotations": {name: value for name, value in annotations.items() if value},
    }


def read_smoke_statement(content: bytes) -> RecordedTests:
    """Return the tests that a statement lists; raise InvalidStatement for anything else, or if it contradicts itself."""
    message = parse_statement(content)
    if message.predicate_type != TEST_RESULT:
        raise InvalidStatement(f"its predicate is {message.predicate_type[:100]}, not {TEST_RESULT}")
    predicate: dict[str, Any] = MessageToDict(message.predicate)
    lists = [_read_names(predicate, name) for name in _LISTS]
    result, expected = predicate.get("result"), _summarize(*lists)
    if result != expected:
        raise InvalidStatement(f"its result is {str(result)[:20]!r}, but that of its tests is {expected!r}")
    passed, warned, failed = lists
    subjects = {subject.name: subject.digest["sha256"] for subject in message.subject}
    return RecordedTests(subjects=subjects, passed=passed, warned=warned, failed=failed)


def _read_names(predicate: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = predicate.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise InvalidStatement(f"its '{key}' is not a list of names")
    return tuple(names)


def check_smoke_tests(name: str, sha256: str, tests: RecordedTests) -> Check:
    """Check that a statement is about a wheel that passed on at least one system, and failed on none."""
    if fault := find_other_subject(name, sha256, tests.subjects):
        return fail(_NAME, fault)
    if tests.failed:
        return fail(_NAME, f"failed on {_list(tests.failed)}")
    if not tests.passed:
        return skip(_NAME, f"the wheel was run on no system: {_list(tests.warned) or 'no test'}")
    rest = f"; {count_noun(len(tests.warned), 'warning')}: {_list(tests.warned)}" if tests.warned else ""
    passed = count_noun(len(tests.passed), "system")
    return Check(name=_NAME, verdict=Verdict.OK, detail=f"passed on {passed}: {_list(tests.passed)}{rest}")


def _list(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{rest}"
