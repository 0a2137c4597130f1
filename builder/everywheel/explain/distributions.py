"""Releases of Linux distributions with the versions of their C and C++ libraries.

Those with glibc are facts from https://github.com/mayeut/pep600_compliance (MIT, `data/LICENSE`), those of Alpine are
from its release notes and its advisories on musl.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from everywheel.platforms.symbol_versions import version_key

_DATA = Path(__file__).parent / "data"
_TITLES = {
    "almalinux": "AlmaLinux",
    "alpine": "Alpine",
    "alt": "ALT Linux",
    "amazonlinux": "Amazon Linux",
    "anolisos": "Anolis OS",
    "archlinux": "Arch Linux",
    "centos": "CentOS Stream",
    "debian": "Debian",
    "fedora": "Fedora",
    "mageia": "Mageia",
    "opencloudos": "OpenCloudOS",
    "openeuler": "openEuler",
    "opensuse": "openSUSE",
    "oraclelinux": "Oracle Linux",
    "photon": "Photon OS",
    "rhubi": "RHEL",
    "rockylinux": "Rocky Linux",
    "slackware": "Slackware",
    "ubuntu": "Ubuntu",
}
# Distributions of the short answer, in its order; the others are clones of these or rarely used.
WELL_KNOWN = ("Debian", "Ubuntu", "RHEL", "Fedora", "openSUSE", "Amazon Linux", "Alpine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A release of a distribution on one architecture.

    `libc` is `glibc` or `musl`; `versions` has the newest version of each family of symbols that it provides: `GLIBC`,
    `GLIBCXX`, `CXXABI`, or `musl`. `end_of_life` is a date (ISO 8601), `rolling`, or empty if it is not known.
    """

    title: str
    release: str
    libc: str
    versions: tuple[tuple[str, str], ...]
    end_of_life: str

    @property
    def name(self) -> str:
        return f"{self.title} {self.release}"

    @property
    def libc_version(self) -> str:
        return self.versions[0][1]

    @property
    def order(self) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """The key that sorts the releases of a distribution from the oldest to the newest; those without a number are last."""
        number = version_key(self.release.removeprefix("p"))
        return (0 if number else 1, number, version_key(self.libc_version))

    def version_of(self, family: str) -> str:
        """Return the newest version of a family of symbols; empty for a family that is not known."""
        return dict(self.versions).get(family, "")


@cache
def list_distributions(arch: str) -> tuple[Distribution, ...]:
    """Return the releases that support an architecture, by distribution and from the oldest to the newest.

    Empty for an architecture without data.
    """
    glibc = [*_read_glibc(arch)]
    return tuple(sorted([*glibc, *(_read_musl() if glibc else ())], key=lambda row: (row.title, row.order)))


def _read_glibc(arch: str) -> Iterator[Distribution]:
    for row in _read_rows("glibc-distributions.csv"):
        if row["arch"] == arch:
            yield Distribution(
                title=_TITLES.get(row["distribution"], row["distribution"]),
                release=row["release"].removeprefix("stream"),
                libc="glibc",
                versions=(("GLIBC", row["glibc"]), ("GLIBCXX", row["glibcxx"]), ("CXXABI", row["cxxabi"])),
                end_of_life=row["end_of_life"].rpartition("/")[2].replace("unknown", ""),
            )


def _read_musl() -> Iterator[Distribution]:
    for row in _read_rows("musl-distributions.csv"):
        yield Distribution(
            title=_TITLES[row["distribution"]],
            release=row["release"],
            libc="musl",
            versions=(("musl", row["musl"]),),
            end_of_life=row["end_of_life"],
        )


def _read_rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["release"] != "release"]
