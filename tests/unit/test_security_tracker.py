"""Debian's security tracker from a file and from a real server: its format, and everything that is not its format."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from everywheel.config.recipe_loader import load_recipe
from everywheel.errors import SourceError
from everywheel.sources.distro.debian_version import DebianVersion
from everywheel.sources.outdated import is_fixed
from everywheel.sources.package_state import PackageState
from everywheel.sources.security_tracker import (
    LARGEST_TRACKER,
    ReleaseStatus,
    Status,
    Vulnerability,
    load_tracker,
)

RECIPE = load_recipe(Path(__file__).parents[1] / "failing" / "base" / "recipes" / "libfoo" / "recipe.toml")
# Two entries as the tracker writes them.
DOCUMENT: dict[str, Any] = {
    "foo": {
        "CVE-2026-22695": {
            "scope": "local",
            "debianbug": 1125443,
            "description": "A heap buffer over-read in foo_image_finish_read.",
            "releases": {
                "bookworm": {
                    "status": "open",
                    "repositories": {"bookworm": "1.6.39-2", "bookworm-security": "1.6.39-2+deb12u1"},
                    "urgency": "not yet assigned",
                    "nodsa": "Minor\n issue",
                    "nodsa_reason": "postponed",
                },
                "sid": {
                    "status": "resolved",
                    "repositories": {"sid": "1.6.58-1"},
                    "fixed_version": "1.6.54-1",
                    "urgency": "not yet assigned",
                },
            },
        },
        "TEMP-0773722-D77ACD": {
            "description": "",
            "releases": {"sid": {"status": "undetermined", "repositories": {"sid": "1"}, "urgency": "unimportant"}},
        },
    },
    "bar": {},
}


def write(folder: Path, content: object) -> str:
    path = folder / "tracker.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(path)


def test_the_tracker_is_read_in_its_own_format(tmp_path: Path) -> None:
    tracker = load_tracker(write(tmp_path, DOCUMENT), ["foo", "bar", "missing"], tmp_path)

    assert tracker == {
        "foo": (
            Vulnerability(
                name="CVE-2026-22695",
                description="A heap buffer over-read in foo_image_finish_read.",
                releases={
                    "bookworm": ReleaseStatus(
                        status=Status.OPEN,
                        urgency="not yet assigned",
                        note="Minor issue",
                        versions=("1.6.39-2", "1.6.39-2+deb12u1"),
                    ),
                    "sid": ReleaseStatus(
                        status=Status.RESOLVED,
                        fixed="1.6.54-1",
                        urgency="not yet assigned",
                        versions=("1.6.58-1",),
                    ),
                },
            ),
            Vulnerability(
                name="TEMP-0773722-D77ACD",
                description="",
                releases={"sid": ReleaseStatus(status=Status.UNDETERMINED, urgency="unimportant", versions=("1",))},
            ),
        ),
        "bar": (),
        "missing": (),
    }


def entry(**release: object) -> dict[str, Any]:
    return {"foo": {"CVE-2026-0001": {"releases": {"sid": release}}}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON"),
        (b"<html>busy</html>", "it is not JSON"),
        (b'{"foo": {', "it is not JSON"),
        (b'{"foo": "\xff"}', "it is not JSON"),
        (b'{"foo": ' + b"9" * 10_000 + b"}", "it is not JSON"),
        (b"[" * 200_000, "it is nested too deeply"),
        ([], "the file is not an object"),
        ({}, "it contains no package"),
        ({"foo": []}, "foo is not an object"),
        ({"foo": {"\x1b[2J": {}}}, "foo, \x1b[2J: not the name of a vulnerability"),
        ({"foo": {"CVE-2026-0001": {}}}, "foo, CVE-2026-0001: 'releases' is not an object"),
        ({"foo": {"CVE-2026-0001": {"releases": {"sid": 1}}}}, "foo, CVE-2026-0001, sid is not an object"),
        (
            {"foo": {"CVE-2026-0001": {"releases": {}, "description": 7}}},
            "foo, CVE-2026-0001: 'description' is not a text",
        ),
        (entry(status="fixed"), "foo, CVE-2026-0001, sid: 'status' is not one of open, resolved, undetermined"),
        (entry(status=["open"]), "foo, CVE-2026-0001, sid: 'status' is not one of open, resolved, undetermined"),
        (entry(status="resolved", fixed_version=1), "foo, CVE-2026-0001, sid: 'fixed_version' is not a text"),
        (entry(status="resolved", fixed_version="$(id)"), "foo, CVE-2026-0001, sid: 'fixed_version' is not a version"),
        (entry(status="open", repositories=[]), "foo, CVE-2026-0001, sid: 'repositories' is not an object"),
        (entry(status="open", repositories={"sid": "$"}), "foo, CVE-2026-0001, sid: 'sid' is not a version"),
        (entry(status="open", urgency={}), "foo, CVE-2026-0001, sid: 'urgency' is not a text"),
    ],
)
def test_another_format_is_refused(content: object, reason: str, tmp_path: Path) -> None:
    location = write(tmp_path, content)

    with pytest.raises(SourceError) as caught:
        load_tracker(location, ["foo"], tmp_path)

    assert caught.value.fact == f"{location} does not have the format of Debian's security tracker"
    assert caught.value.details == {"reason": reason}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = json.dumps(DOCUMENT).encode()
        length = {"/huge": LARGEST_TRACKER + 1}.get(self.path, len(content))
        self.send_response(404 if self.path == "/missing" else 200)
        if self.path != "/endless":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.path == "/tracker":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:secret@127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_tracker_is_downloaded(server: str, tmp_path: Path) -> None:
    assert load_tracker(f"{server}/tracker", ["foo"], tmp_path)["foo"][0].name == "CVE-2026-22695"
    assert not list(tmp_path.rglob("tracker"))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "404 Not Found"),
        ("huge", f"has {LARGEST_TRACKER + 1} bytes, but at most {LARGEST_TRACKER} are accepted"),
    ],
)
def test_a_tracker_that_is_not_available_is_an_error(path: str, reason: str, server: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        load_tracker(f"{server}/{path}", ["foo"], tmp_path)

    assert caught.value.fact == f"{server.replace('user:secret@', '')}/{path} is not available"
    assert caught.value.details == {"reason": reason}


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        load_tracker(str(tmp_path / "missing"), ["foo"], tmp_path)

    assert caught.value.details == {"reason": "no such file"}


@pytest.mark.parametrize(
    ("fixed", "is_expected"),
    [
        ({"trixie": "1.6.48-1+deb13u2"}, True),
        ({"trixie": "1.6.48-1+deb13u6"}, False),
        ({"trixie": "0"}, True),
        ({"trixie": ""}, False),
        ({"sid": "1.6.40-1"}, True),
        ({"sid": "1.6.54-1"}, False),
        ({"sid": "0"}, False),
        # The fix is a patch of an older version there.
        ({"bookworm": "1.6.39-2+deb12u1"}, False),
        ({"trixie": "1.6.48-1+deb13u6", "sid": "1.6.40-1"}, True),
    ],
)
def test_a_vulnerability_is_fixed_by_the_pinned_version(fixed: dict[str, str], is_expected: bool) -> None:
    state = PackageState(
        recipe=RECIPE, pinned=DebianVersion("1.6.48-1+deb13u5"), release="trixie", newest=None, revisions=()
    )
    releases = {
        name: ReleaseStatus(status=Status.RESOLVED if version else Status.OPEN, fixed=version)
        for name, version in fixed.items()
    }

    assert is_fixed(releases, state) is is_expected
