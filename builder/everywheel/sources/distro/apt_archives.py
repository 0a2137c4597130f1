"""The distribution's package archives: which ones this machine uses, and which suites are read there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from everywheel.execution.process import run_command

HELPER = Path("/usr/lib/apt/apt-helper")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One package archive with the suites to read there.

    `keyring` holds the keys that sign it; an archive without one is trusted as it is.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...] = ("main",)
    keyring: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Which suites to read on a distribution's machines; with none named, those that the machine itself uses."""

    keyring: str
    components: tuple[str, ...]
    suites: tuple[str, ...] = ()
    security: tuple[str, ...] = ()


# One row per value of ID in /etc/os-release. Debian's stable is what recipes pin, whatever release the machine runs.
DISTRIBUTIONS = {
    "debian": Distribution(
        keyring="/usr/share/keyrings/debian-archive-keyring.gpg",
        components=("main",),
        suites=("trixie", "trixie-updates", "sid"),
        security=("trixie-security",),
    ),
    "ubuntu": Distribution(keyring="/usr/share/keyrings/ubuntu-archive-keyring.gpg", components=("main", "universe")),
}


_CLASSES = ("oldstable", "stable", "testing", "unstable", "sid")


def choose_archives(rows: Iterable[str], codename: str, distribution: Distribution) -> tuple[Archive, ...]:
    """Pick the distribution's own archives among the `URI|suite|component` rows of a machine's apt.

    They are those with suites called after the release's `codename`, or, where there is none such, after a class of
    releases (`stable`, `sid`). Repositories of other parties have other suites or other components.
    """
    named = _choose_archives(rows, (codename,), distribution)
    return named or _choose_archives(rows, _CLASSES, distribution)


def _choose_archives(rows: Iterable[str], releases: tuple[str, ...], distribution: Distribution) -> tuple[Archive, ...]:
    own: dict[str, set[str]] = {}
    for row in rows:
        uri, suite, component = row.split("|")
        if component in distribution.components:
            own.setdefault(uri, set()).add(suite)
    archives = []
    for uri, suites in own.items():
        if distribution.suites:
            main = distribution.suites if any(name in releases for name in suites) else ()
            security = distribution.security if any(f"{name}-security" in suites for name in releases) else ()
            wanted = [*main, *security]
        else:
            wanted = sorted(name for name in suites if name.partition("-")[0] in releases)
        if wanted:
            archives.append(
                Archive(uri=uri, suites=tuple(wanted), components=distribution.components, keyring=distribution.keyring)
            )
    return tuple(archives)


def find_machine_archives(os_release: Path = Path("/etc/os-release")) -> tuple[Archive, ...]:
    """Return the archives that the machine's apt is set up for; none without apt, or on an unknown distribution."""
    if shutil.which("apt-get") is None or shutil.which("apt-cache") is None or not HELPER.exists():
        return ()
    words = dict(line.split("=", 1) for line in os_release.read_text().splitlines() if "=" in line)
    facts = {name: value.strip("\"'") for name, value in words.items()}
    distribution = DISTRIBUTIONS.get(facts.get("ID", ""))
    if distribution is None or not Path(distribution.keyring).exists():
        return ()
    answer = run_command(
        ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"]
    )
    rows = dict.fromkeys(line for line in answer.output.splitlines() if line.count("|") == 2)
    return choose_archives(rows, facts.get("VERSION_CODENAME", ""), distribution)
