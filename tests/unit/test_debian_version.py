"""The order of Debian's versions, compared with dpkg's, and the upstream version in one."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from everywheel.sources.distro.debian_version import DebianVersion

VERSIONS = [
    "0",
    "1.0~rc1-1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1.1",
    "1.0+dfsg-1",
    "1.0a-1",
    "1.0.0-1",
    "1.6.48-1+deb13u6",
    "1.6.48-1",
    "1.6.58-1",
    "1.09-1",
    "1.9-1",
    "2.9.0-1~deb13u1",
    "2.9.0-1",
    "2.9.0",
    "2.9.0-0",
    "2.12.7+dfsg+really2.9.14-2.1+deb13u3",
    "1:1.3.dfsg+really1.3.1-1",
    "1:0.9",
    "10.46-1~deb13u3",
    "1-a~",
    "1-a",
    "1-~",
]


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="this machine has no dpkg")
def test_versions_have_the_order_of_dpkg() -> None:
    pairs = list(itertools.combinations(VERSIONS, 2))
    script = "".join(f"dpkg --compare-versions '{a}' lt '{b}'; printf '%s ' $?\n" for a, b in pairs)
    answers = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.split()

    for (a, b), answer in zip(pairs, answers, strict=True):
        assert (DebianVersion(a) < DebianVersion(b)) == (answer == "0"), (a, b)


def test_an_empty_revision_equals_revision_zero() -> None:
    assert DebianVersion("2.9.0") == DebianVersion("2.9.0-0") == DebianVersion("0:2.9.0-0")
    assert hash(DebianVersion("2.9.0")) == hash(DebianVersion("2.9.0-0"))


@pytest.mark.parametrize("text", ["", "1 2", "1:", "-", "a:1", "1/2", "1\n", "٣", "9" * 300])
def test_other_texts_are_not_versions(text: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        DebianVersion(text)


@pytest.mark.parametrize(
    ("version", "upstream", "archive"),
    [
        ("1:1.3.dfsg+really1.3.1-1+deb13u1", "1.3.1", "1.3.dfsg+really1.3.1"),
        ("2.15.4+dfsg-1", "2.15.4", "2.15.4+dfsg"),
        ("2.12.7+dfsg+really2.9.14-2.1", "2.9.14", "2.12.7+dfsg+really2.9.14"),
        ("10.46-1~deb13u3", "10.46", "10.46"),
        ("1.0-rc1-2", "1.0-rc1", "1.0-rc1"),
        ("0.25", "0.25", "0.25"),
    ],
)
def test_a_version_contains_the_upstream_version(version: str, upstream: str, archive: str) -> None:
    assert DebianVersion(version).upstream == upstream
    assert DebianVersion(version).archive_version == archive
