"""Known vulnerabilities of a wheel's libraries: components of SBOMs, statements, the audit's check, OpenVEX documents."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from everywheel.audit.report import Report
from everywheel.cli.main import main
from everywheel.errors import SourceError, UsageError
from everywheel.sources.advisories import Advisories, load_advisories
from everywheel.sources.osv import OsvEntry, parse_entries
from everywheel.sources.security_tracker import ReleaseStatus, Status, Vulnerability
from everywheel.vulnerabilities.check import _add_results
from everywheel.vulnerabilities.components import LibraryComponent, SourcePackage, list_components
from everywheel.vulnerabilities.matching import State, list_statements
from everywheel.vulnerabilities.vex import make_vex
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel

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

    result = _add_results(report, (LIBRARY, unknown), Advisories(packages={"foo1.6": vulnerabilities}))

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


# OSV ------------------------------------------------------------------------------------------------------------------


def make_entry(**changes: Any) -> dict[str, Any]:
    """Return an entry as OSS-Fuzz publishes them: tags that a database derived from commits."""
    git = {
        "type": "GIT",
        "repo": "https://example.org/foo.git",
        "events": [{"introduced": "a" * 40}, {"fixed": "b" * 40}],
    }
    affected = {
        "package": {"name": "foo", "ecosystem": "OSS-Fuzz", "purl": "pkg:generic/foo"},
        "ranges": [git],
        "versions": ["v1.5", "v1.6.0", "v1.7-rc1"],
    }
    return {
        "id": "OSV-2026-1",
        "modified": "2026-01-01T00:00:00Z",
        "summary": "Heap\noverflow",
        "affected": [affected],
        **changes,
    }


def parse(*entries: dict[str, Any]) -> tuple[OsvEntry, ...]:
    return tuple(parse_entries(list(entries)))


@pytest.mark.parametrize(
    ("affected", "versions"),
    [
        ({"package": {"name": "Foo", "ecosystem": "OSS-Fuzz"}, "versions": ["v1.6.0", "1.8"]}, {"1.6", "1.8"}),
        ({"ranges": [{"type": "GIT", "repo": "https://example.org/x/foo/"}], "versions": ["FOO_1_7_0"]}, {"1.7"}),
        (
            {
                "package": {"name": "x", "ecosystem": "", "purl": "pkg:generic/foo@1"},
                "ranges": [
                    {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.6.1"}, {"introduced": "1.8"}]}
                ],
            },
            {"1.5", "1.6", "1.8", "1.9"},
        ),
        (
            {
                "package": {"name": "foo", "ecosystem": "GIT"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.6"}, {"last_affected": "1.7"}]}],
            },
            {"1.6", "1.6.1", "1.7"},
        ),
        # osv.dev states the versions that it found the commits by.
        (
            {
                "ranges": [
                    {
                        "type": "GIT",
                        "repo": "https://example.org/foo",
                        "events": [{"introduced": "a" * 40}, {"fixed": "b" * 40}],
                        "database_specific": {"extracted_events": [{"introduced": "1.6"}, {"fixed": "1.8"}]},
                    }
                ]
            },
            {"1.6", "1.6.1", "1.7"},
        ),
        # A package of a distribution or of a language has the same name by chance.
        ({"package": {"name": "foo", "ecosystem": "npm"}, "versions": ["1.6"]}, set()),
        ({"package": {"name": "foo", "ecosystem": "Debian:13"}, "versions": ["1.6"]}, set()),
        ({"package": {"name": "other", "ecosystem": "OSS-Fuzz"}, "versions": ["1.6"]}, set()),
    ],
)
def test_the_versions_that_an_entry_affects(affected: dict[str, Any], versions: set[str]) -> None:
    entries = parse(make_entry(affected=[affected]))

    open_versions = {
        version
        for version in ("1.5", "1.6", "1.6.1", "1.7", "1.8", "1.9")
        if list_statements((replace(LIBRARY, version=version, fixes=()),), {}, entries)
    }

    assert open_versions == versions


def test_an_entry_is_open_unless_a_patch_or_the_tracker_knows_it() -> None:
    plain, cve = make_entry(), make_entry(id="OSV-2026-2", aliases=["GHSA-1", "CVE-2026-0002"])
    fixed, gone = make_entry(aliases=["CVE-2026-0001"]), make_entry(withdrawn="2026-02-01T00:00:00Z")
    entries = parse(plain, cve, fixed, gone)
    component = replace(LIBRARY, name="bar", product="foo")
    tracker = {"foo1.6": (make_vulnerability(trixie=resolved("1.6-1", "1.6-1")),)}

    upstream = list_statements((component,), {}, entries)
    together = list_statements((component,), tracker, entries)

    assert [(each.vulnerability, each.state, each.description) for each in upstream] == [
        ("CVE-2026-0001", State.FIXED, ""),
        ("OSV-2026-1", State.OPEN, "Heap overflow"),
        ("CVE-2026-0002", State.OPEN, "Heap overflow"),
    ]
    assert [each.vulnerability for each in together] == ["CVE-2026-0001", "OSV-2026-1"]


def test_advisories_come_from_files_and_folders_of_both_formats(tmp_path: Path) -> None:
    tracker, answer, folder = tmp_path / "tracker", tmp_path / "answer", tmp_path / "entries"
    tracker.write_text('{"foo1.6": {}, "other": {}}')
    answer.write_text(json.dumps({"vulns": [make_entry(id="OSV-1")]}))
    folder.mkdir()
    for name in ("OSV-2", "OSV-3"):
        (folder / f"{name}.json").write_text(json.dumps(make_entry(id=name)))

    advisories = load_advisories([str(tracker), answer.as_uri(), str(folder)], ["foo1.6"], tmp_path)

    assert advisories.packages == {"foo1.6": ()}
    assert [entry.id for entry in advisories.entries] == ["OSV-1", "OSV-2", "OSV-3"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (make_entry(affected={}), "OSV-2026-1: a value is not a list"),
        (make_entry(affected=[{"package": {"name": 1, "ecosystem": ""}}]), "OSV-2026-1: a value is not a text"),
        (make_entry(affected=[{"package": {"ecosystem": ""}}]), "OSV-2026-1: 'name'"),
        (make_entry(affected=[3]), "OSV-2026-1: 'int' object has no attribute 'get'"),
        (make_entry(aliases=[[]]), "OSV-2026-1: a value is not a text"),
    ],
)
def test_an_entry_of_another_form_is_an_error(entry: dict[str, Any], reason: str, tmp_path: Path) -> None:
    file = tmp_path / "entry.json"
    file.write_text(json.dumps(entry))

    with pytest.raises(SourceError) as caught:
        load_advisories([str(file)], [], tmp_path)

    assert caught.value.render() == (
        f"error: {file} does not have the format of OSV\n  reason: {reason}\n"
        "  hint: it is Debian's security tracker in JSON, or entries in OSV's format: a JSON file, a folder of such files, "
        "or a URL"
    )


def test_a_library_that_only_entries_with_commits_name_is_not_compared() -> None:
    commits = make_entry(affected=[{**make_entry()["affected"][0], "versions": []}])
    report = Report(wheel="demo.whl", size=1, checks=(), files=(), findings=())

    only = "; not compared: foo; not compared, since they name commits only: OSV-2026-1"
    for entry, text in ((commits, only), (make_entry(), "")):
        (summary,) = _add_results(report, (LIBRARY,), Advisories(entries=parse(entry))).checks
        opened = 0 if text else 1
        assert summary.message == f"1 library, 1 fixed by patches, {opened} open, 0 unimportant{text}"


@pytest.mark.parametrize(
    ("commit", "text"),
    [
        ("a" * 40, "1 library, 1 fixed by patches, 1 open, 0 unimportant"),
        ("b" * 40, "1 library, 1 fixed by patches, 0 open, 0 unimportant"),
        # Only the history of the repository shows whether it is between the others.
        (
            "c" * 40,
            "1 library, 1 fixed by patches, 0 open, 0 unimportant; not compared: foo; "
            "not compared, since they name commits only: OSV-2026-1",
        ),
    ],
)
def test_a_source_of_a_commit_is_compared_with_the_commits_that_an_entry_names(commit: str, text: str) -> None:
    entry = make_entry(affected=[{**make_entry()["affected"][0], "versions": []}])
    document = {
        "bomFormat": "CycloneDX",
        "components": [
            {**FOO, "purl": f"pkg:generic/foo@1.6?download_url=https://example.org/foo/archive/{commit}.tar.gz"}
        ],
    }
    (library,) = list_components(make_wheel(sbom=document))
    report = Report(wheel="demo.whl", size=1, checks=(), files=(), findings=())

    (summary,) = _add_results(report, (library,), Advisories(entries=parse(entry))).checks

    assert library.commit == commit
    assert summary.message == text


def test_an_openvex_document_states_what_could_not_be_compared_with_the_reason() -> None:
    commits = make_entry(affected=[{**make_entry()["affected"][0], "versions": []}])

    statements = list_statements((LIBRARY,), {}, parse(commits))
    content = make_vex("demo", "1.0", statements, author="Jane", time=datetime(2026, 1, 2, tzinfo=UTC))

    (stated,) = [each for each in json.loads(content)["statements"] if each["vulnerability"]["name"] == "OSV-2026-1"]
    assert stated["status"] == "under_investigation"
    assert stated["status_notes"] == (
        "not compared: the advisory names commits only, and none of them is that of the source of foo 1.6"
    )
    # An entry that can be compared and affects the library counts more.
    for entries in ([commits, make_entry()], [make_entry(), commits]):
        both = list_statements((LIBRARY,), {}, [each for entry in entries for each in parse(entry)])
        assert [each.state for each in both if each.vulnerability == "OSV-2026-1"] == [State.OPEN]


def test_both_commands_accept_several_files_of_both_formats(tmp_path: Path) -> None:
    metadata = {
        "METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n",
        "WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: cp311-abi3-any\n",
    }
    content = make_wheel(sbom=make_document(FOO))
    own = {f"demo-1.0.dist-info/{name}": WheelFile(data=data) for name, data in metadata.items()}
    wheel = pack_wheel(replace(content, files={**content.files, **own}), tmp_path, epoch=1577836800)
    tracker, entries = tmp_path / "tracker.json", tmp_path / "osv.json"
    tracker.write_text(json.dumps({"foo1.6": {}}))
    entries.write_text(json.dumps(make_entry()))
    locations = ("--tracker", str(tracker), "--tracker", str(entries))

    result = CliRunner().invoke(main, ["vex", str(wheel), *locations, "--output", str(tmp_path / "vex.json")])

    assert result.exit_code == 0, result.output
    statements = json.loads((tmp_path / "vex.json").read_text())["statements"]
    assert [(each["vulnerability"]["name"], each["status"]) for each in statements] == [
        ("CVE-2026-0001", "fixed"),
        ("OSV-2026-1", "under_investigation"),
    ]
    options = [text.replace("tracker", "vulnerabilities", 1) if text.startswith("--") else text for text in locations]
    result = CliRunner().invoke(main, ["audit", str(wheel), *options])
    assert result.exit_code == 5
    assert "foo 1.6: OSV-2026-1, no fixed version\n" in result.output
