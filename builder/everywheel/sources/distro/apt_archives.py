"""The distribution's package archives that this machine uses, and the suites to read from them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from everywheel.execution.process import run_command

APT_HELPER = Path("/usr/lib/apt/apt-helper")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One package archive with the suites to read from it.

    `keyring` is the file with the keys that sign it; an archive without one is trusted without a signature.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...] = ("main",)
    keyring: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """The suites to read on a distribution's machines; empty for the suites that the machine uses."""

    keyring: str
    components: tuple[str, ...]
    suites: tuple[str, ...] = ()
    security: tuple[str, ...] = ()


# One row per value of ID in /etc/os-release. Recipes pin versions of Debian stable, so its suites are read on every release;
# older releases have the headers of the Pythons that came with them.
DISTRIBUTIONS = {
    "debian": Distribution(
        keyring="/usr/share/keyrings/debian-archive-keyring.gpg",
        components=("main",),
        suites=("trixie", "trixie-updates", "sid", "bookworm", "bullseye"),
        security=("trixie-security",),
    ),
    "ubuntu": Distribution(keyring="/usr/share/keyrings/ubuntu-archive-keyring.gpg", components=("main", "universe")),
}


ROLLING_RELEASES = frozenset({"sid", "unstable", "testing"})
"""Releases that get new upstream versions at any time, instead of fixes for the version that they have."""
_RELEASE_CLASSES = ("oldstable", "stable", "testing", "unstable", "sid")


def choose_archives(rows: Iterable[str], codename: str, distribution: Distribution) -> tuple[Archive, ...]:
    """Return the distribution's own archives among the `URI|suite|component` rows of a machine's apt.

    Their suites are named after the release's `codename`, or, if none is, after a class of releases (`stable`, `sid`).
    Third-party repositories have other suites or components.
    """
    named = _choose_archives(rows, (codename,), distribution)
    return named or _choose_archives(rows, _RELEASE_CLASSES, distribution)


def _choose_archives(rows: Iterable[str], releases: tuple[str, ...], distribution: Distribution) -> tuple[Archive, ...]:
    suites_by_uri: dict[str, set[str]] = {}
    for row in rows:
        uri, suite, component = row.split("|")
        if component in distribution.components:
            suites_by_uri.setdefault(uri, set()).add(suite)
    archives = []
    for uri, suites in suites_by_uri.items():
        if distribution.suites:
            main = distribution.suites if any(name in releases for name in suites) else ()
            security = distribution.security if any(f"{name}-security" in suites for name in releases) else ()
            chosen = [*main, *security]
        else:
            chosen = sorted(name for name in suites if name.partition("-")[0] in releases)
        if chosen:
            archives.append(
                Archive(uri=uri, suites=tuple(chosen), components=distribution.components, keyring=distribution.keyring)
            )
    return tuple(archives)


def find_machine_archives(os_release: Path = Path("/etc/os-release")) -> tuple[Archive, ...]:
    """Return the archives in the machine's apt configuration; none without apt or on an unknown distribution."""
    if shutil.which("apt-get") is None or shutil.which("apt-cache") is None or not APT_HELPER.exists():
        return ()
    fields = dict(line.split("=", 1) for line in os_release.read_text().splitlines() if "=" in line)
    os_release_fields = {name: value.strip("\"'") for name, value in fields.items()}
    distribution = DISTRIBUTIONS.get(os_release_fields.get("ID", ""))
    if distribution is None or not Path(distribution.keyring).exists():
        return ()
    result = run_command(
        ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"]
    )
    rows = dict.fromkeys(line for line in result.output.splitlines() if line.count("|") == 2)
    return choose_archives(rows, os_release_fields.get("VERSION_CODENAME", ""), distribution)
