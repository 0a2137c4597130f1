"""Known vulnerabilities of a wheel's libraries: components of SBOMs, statements, the audit's check, OpenVEX documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from everywheel.audit.report import Report
from everywheel.errors import UsageError
from everywheel.sources.security_tracker import ReleaseStatus, Status, Vulnerability
from everywheel.vulnerabilities.check import _add_results
from everywheel.vulnerabilities.components import LibraryComponent, SourcePackage, list_components
from everywheel.vulnerabilities.matching import State, list_statements
from everywheel.vulnerabilities.vex import make_vex
from everywheel.wheels.wheel import Wheel, WheelFile

FOO: dict[str, Any] = {
    "type": "library",
    "name": "foo",
    "version": "1.6",
    "purl": "pkg:generic/foo@1.6",
    "pedigree": {
        "ancestors": [
            {"type": "library", "name": "foo1.6", "purl": "pkg:deb/debian/foo1.6@1.6-1%2Bdeb13u5?arch=source"}
        ],
        "patches": [
            {"type": "backport", "resolves": [{"type": "security", "id": "CVE-2026-0001"}]},
            {"type": "unofficial", "resolves": [{"type": "defect", "id": "foo#3"}]},
        ],
    },
}
LIBRARY = LibraryComponent(
    name="foo",
    version="1.6",
    purl="pkg:generic/foo@1.6",
    package=SourcePackage(name="foo1.6", version="1.6-1+deb13u5"),
    fixes=("CVE-2026-0001",),
)


def make_wheel(**documents: object) -> Wheel:
    files = {
        f"demo-1.0.dist-info/sboms/{name}.json": WheelFile(data=json.dumps(document).encode())
        for name, document in documents.items()
    }
    return Wheel(name="demo", version="1.0", build="", python="cp311", abi="abi3", platform="any", files=files)


def make_document(*components: dict[str, Any]) -> dict[str, Any]:
    return {"bomFormat": "CycloneDX", "components": list(components)}


def make_vulnerability(name: str = "CVE-2026-0002", **releases: ReleaseStatus) -> Vulnerability:
    return Vulnerability(name=name, description="An overflow.", releases=releases)


def resolved(fixed: str, *versions: str, urgency: str = "") -> ReleaseStatus:
    return ReleaseStatus(status=Status.RESOLVED, fixed=fixed, versions=versions, urgency=urgency)


def test_components_have_their_source_package_and_the_vulnerabilities_that_patches_fix() -> None:
    binary = {"type": "library", "name": "bar", "purl": "pkg:deb/debian/libbar1@2.0-1?upstream=bar%402.0-1&arch=amd64"}
    own = {"type": "library", "name": "Demo", "purl": "pkg:pypi/demo@1.0"}
    tool = {"type": "application", "name": "cc"}

    wheel = make_wheel(first=make_document(FOO, own, tool), second=make_document(FOO, binary))

    bar = LibraryComponent(
        name="bar",
        version="",
        purl=binary["purl"],
        package=SourcePackage(name="bar", version="2.0-1"),
        fixes=(),
    )
    assert list_components(wheel) == (bar, LIBRARY)


def test_a_wheel_without_an_sbom_is_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        list_components(make_wheel())

    assert caught.value.fact == "demo 1.0: the wheel has no SBOM"
    assert caught.value.hint == (
        "its libraries are unknown; `everywheel repair` adds an SBOM to demo-1.0.dist-info/sboms/"
    )


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"bomFormat": "SPDX"}, "'bomFormat' is 'SPDX'"),
        ({}, "'bomFormat'"),
        ([], "list indices must be integers or slices, not str"),
        (make_document({"type": "library", "version": "1"}), "'name'"),
        (
            make_document({**FOO, "purl": "pkg:deb/debian/foo@$(id)"}),
            "not a version of a Debian package: '$(id)'",
        ),
        (make_document({**FOO, "pedigree": {"patches": [{"resolves": [{"id": 1}]}]}}), None),
    ],
)
def test_an_sbom_that_cannot_be_read_is_an_error(document: object, reason: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        list_components(make_wheel(bad=document))

    assert caught.value.fact == "demo-1.0.dist-info/sboms/bad.json is not a CycloneDX document"
    assert reason is None or caught.value.details == {"reason": reason}


@pytest.mark.parametrize(
    ("releases", "state", "fixed_in"),
    [
        # The release that has this upstream version counts.
        ({"trixie": resolved("1.6-1+deb13u5", "1.6-1+deb13u5")}, None, ""),
        ({"trixie": resolved("1.6-1+deb13u6", "1.6-1+deb13u6")}, State.OPEN, "1.6-1+deb13u6"),
        ({"trixie": resolved("0", "1.6-1+deb13u6")}, None, ""),
        # An older release has a patch of its own.
        ({"bookworm": resolved("1.5-1+deb12u1", "1.5-1+deb12u1")}, State.OPEN, ""),
        # A rolling release gets a fix with a new upstream version.
        ({"sid": resolved("1.6-1", "1.7-1")}, None, ""),
        ({"sid": resolved("1.7-1", "1.7-1")}, State.OPEN, "1.7-1"),
        (
            {"trixie": ReleaseStatus(status=Status.OPEN, urgency="unimportant", versions=("1.6-1",))},
            State.MINOR,
            "",
        ),
        ({}, State.OPEN, ""),
        # The names of files, from which versions in SBOMs come, have no epoch.
        ({"trixie": resolved("1:1.6-1+deb13u4", "1:1.6-1+deb13u5")}, None, ""),
        ({"trixie": resolved("1:1.6-1+deb13u6", "1:1.6-1+deb13u6")}, State.OPEN, "1:1.6-1+deb13u6"),
    ],
)
def test_the_state_of_a_vulnerability(releases: dict[str, ReleaseStatus], state: State | None, fixed_in: str) -> None:
    statements = list_statements((LIBRARY,), {"foo1.6": (make_vulnerability(**releases),)})

    assert [(each.vulnerability, each.state, each.fixed_in) for each in statements] == [
        ("CVE-2026-0001", State.FIXED, ""),
        *([] if state is None else [("CVE-2026-0002", state, fixed_in)]),
    ]


def test_a_patch_fixes_what_the_tracker_calls_open() -> None:
    vulnerability = make_vulnerability("CVE-2026-0001", trixie=resolved("1.6-1+deb13u6", "1.6-1"))

    (statement,) = list_statements((LIBRARY,), {"foo1.6": (vulnerability,)})

    assert (statement.state, statement.description) == (State.FIXED, "An overflow.")


def test_the_check_reports_open_vulnerabilities_and_names_what_it_cannot_compare() -> None:
    unknown = LibraryComponent(name="bar", version="2", purl="", package=None, fixes=())
    minor = ReleaseStatus(status=Status.OPEN, urgency="unimportant", versions=("1.6-1",))
    vulnerabilities = (
        make_vulnerability(trixie=resolved("1.6-1+deb13u6", "1.6-1", urgency="high")),
        make_vulnerability("CVE-2026-0003", trixie=minor),
    )
    report = Report(wheel="demo.whl", size=1, checks=(), files=(), findings=())

    result = _add_results(report, (LIBRARY, unknown), list_statements((LIBRARY, unknown), {"foo1.6": vulnerabilities}))

    assert [summary.message for summary in result.checks] == [
        "2 libraries, 1 fixed by patches, 1 open, 1 unimportant; not compared: bar"
    ]
    assert [(finding.message, finding.evidence) for finding in result.findings] == [
        ("foo 1.6: CVE-2026-0002 (high), fixed in 1.6-1+deb13u6", ("An overflow.",))
    ]


def test_an_openvex_document_states_what_is_fixed_and_what_is_open() -> None:
    statements = list_statements((LIBRARY,), {"foo1.6": (make_vulnerability(),)})

    content = make_vex("demo", "1.0", statements, author="Jane", time=datetime(2026, 1, 2, tzinfo=UTC))

    document = json.loads(content)
    identifier = document.pop("@id")
    products = [{"@id": "pkg:pypi/demo@1.0", "subcomponents": [{"@id": "pkg:generic/foo@1.6"}]}]
    assert document == {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "author": "Jane",
        "timestamp": "2026-01-02T00:00:00+00:00",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": "CVE-2026-0001"},
                "products": products,
                "status": "fixed",
                "status_notes": "a patch of foo 1.6 fixes it",
            },
            {"vulnerability": {"name": "CVE-2026-0002"}, "products": products, "status": "under_investigation"},
        ],
    }
    assert identifier.startswith("https://openvex.dev/docs/public/vex-")
    assert content == make_vex("demo", "1.0", statements, author="Jane", time=datetime(2026, 1, 2, tzinfo=UTC))
    assert identifier != json.loads(make_vex("demo", "1.1", statements, author="J", time=datetime.now(UTC)))["@id"]
