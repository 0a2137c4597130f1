"""Where files run: the verdict about each release of a distribution, and the symbols and files that cause it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.binaries.elf import ElfFacts, VersionNeed
from everywheel.explain.distributions import list_distributions
from everywheel.explain.explanation import Explanation, Platform
from everywheel.explain.lower import list_steps
from everywheel.explain.option_text import render_lower
from everywheel.explain.requirements import find_libc, list_causes
from everywheel.explain.subjects import read_subject
from everywheel.explain.systems import judge, summarize
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.linux_policy import load_policy
from example_wheels import ELF

X86_64 = ARCHES["x86_64"]


def make_elf(*needs: tuple[str, str, tuple[str, ...]], is_optional: bool = False) -> ElfFacts:
    versions = tuple(
        VersionNeed(library=library, version=version, symbols=symbols, is_optional=is_optional)
        for library, version, symbols in needs
    )
    return replace(ELF, needed=tuple({library for library, _, _ in needs}), versions=versions)


def describe(elf: ElfFacts, *names: str, tags: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the verdict for the named releases."""
    libc = find_libc(elf)
    causes = list_causes({"demo/libfoo.so": elf}, libc, X86_64)
    policies = [policy for tag in tags if (policy := load_policy(tag)) is not None]
    verdicts = judge(list_distributions("x86_64"), libc, causes, policies)
    return {v.distribution.name: v.describe() for v in verdicts if v.distribution.name in names}


PTHREAD = make_elf(("libc.so.6", "GLIBC_2.34", ("pthread_create",)), ("libc.so.6", "GLIBC_2.14", ("memcpy",)))


def test_a_release_with_an_older_c_library_is_named_with_the_symbol_and_the_file() -> None:
    assert describe(PTHREAD, "Debian 11", "Debian 12", "Alpine 3.22") == {
        "Debian 11": "does not: needs GLIBC_2.34 (pthread_create in libfoo.so); Debian 11 has 2.31",
        "Debian 12": "runs",
        "Alpine 3.22": "does not: needs glibc; Alpine 3.22 has musl",
    }


def test_the_versions_of_libstdcxx_are_compared_as_well() -> None:
    elf = make_elf(
        ("libc.so.6", "GLIBC_2.2.5", ("free",)), ("libstdc++.so.6", "GLIBCXX_3.4.26", ("_ZNSt1a", "_ZNSt1b"))
    )

    assert describe(elf, "RHEL 8", "RHEL 9") == {
        "RHEL 8": "does not: needs GLIBCXX_3.4.26 (_ZNSt1a and 1 more in libfoo.so); RHEL 8 has 3.4.25",
        "RHEL 9": "runs",
    }


def test_a_version_whose_symbols_are_all_weak_is_not_required() -> None:
    elf = make_elf(("libc.so.6", "GLIBC_2.38", ("arc4random",)), is_optional=True)

    assert describe(elf, "Debian 11") == {"Debian 11": "runs"}


def test_packed_relocations_require_the_glibc_that_reads_them() -> None:
    elf = make_elf(("libc.so.6", "GLIBC_ABI_DT_RELR", ()))

    assert describe(elf, "Ubuntu 22.04", "Debian 12") == {
        "Ubuntu 22.04": "does not: needs GLIBC_2.36 (GLIBC_ABI_DT_RELR in libfoo.so); Ubuntu 22.04 has 2.35",
        "Debian 12": "runs",
    }


def test_versions_of_libraries_inside_are_not_required_of_the_system() -> None:
    needing = make_elf(("libcrypto.so.3", "OPENSSL_3.0.0", ("EVP_md5",)), ("libc.so.6", "GLIBC_2.2.5", ("free",)))
    elves = {"demo.so": needing, "demo.libs/libcrypto.so.3": replace(ELF, soname="libcrypto.so.3")}

    assert [cause.version for cause in list_causes(elves, "glibc", X86_64)] == ["GLIBC_2.2.5"]


def test_the_floor_of_the_tag_counts_where_the_files_would_run() -> None:
    assert describe(
        make_elf(("libc.so.6", "GLIBC_2.14", ("memcpy",))), "Debian 9", tags=("manylinux_2_28_x86_64",)
    ) == {
        "Debian 9": "does not: pip refuses the tag manylinux_2_28_x86_64, which requires glibc 2.28; Debian 9 has 2.24"
    }


def test_a_function_of_musl_is_found_by_the_release_that_introduced_it() -> None:
    elf = replace(ELF, needed=("libc.musl-x86_64.so.1",), undefined=("free", "qsort_r"))

    assert describe(elf, "Alpine 3.15", "Alpine 3.16", "Debian 12") == {
        "Alpine 3.15": "does not: needs musl 1.2.3 (qsort_r in libfoo.so); Alpine 3.15 has 1.2.2",
        "Alpine 3.16": "runs",
        "Debian 12": "does not: needs musl; Debian 12 has glibc",
    }


def test_the_short_answer_names_the_oldest_release_and_the_reason() -> None:
    causes = list_causes({"demo/libfoo.so": PTHREAD}, "glibc", X86_64)

    summary = summarize(judge(list_distributions("x86_64"), "glibc", causes, ()))

    assert summary.runs == (
        "Debian 12 and newer",
        "Ubuntu 22.04 and newer",
        "RHEL 9 and newer",
        "Fedora 39 and newer",
        "openSUSE 15.6 and newer",
        "Amazon Linux 2023",
    )
    assert summary.fails == (
        "Debian 11 and older",
        "Ubuntu 20.04 and older",
        "RHEL 8 and older",
        "openSUSE 15.5",
        "Amazon Linux 2",
        "Alpine",
    )
    assert summary.because == ", because it needs GLIBC_2.34 (pthread_create in libfoo.so)"


@pytest.mark.parametrize(
    ("arch", "release", "versions"),
    [
        ("x86_64", "Debian 11", {"GLIBC": "2.31", "GLIBCXX": "3.4.28", "CXXABI": "1.3.12"}),
        ("aarch64", "RHEL 8", {"GLIBC": "2.28", "GLIBCXX": "3.4.25", "CXXABI": "1.3.11"}),
        ("i686", "Alpine 3.18", {"musl": "1.2.4"}),
    ],
)
def test_releases_have_their_versions(arch: str, release: str, versions: dict[str, str]) -> None:
    assert [dict(row.versions) for row in list_distributions(arch) if row.name == release] == [versions]


def test_releases_are_in_order_and_those_without_a_number_are_last() -> None:
    names = [row.release for row in list_distributions("x86_64") if row.title in ("Debian", "Alpine")]

    assert names[:3] == ["3.12", "3.13", "3.14"]
    assert names[-9:] == ["8", "9", "10", "11", "12", "13", "testing", "unstable", "experimental"]


def make_platform(elf: ElfFacts) -> Platform:
    causes = list_causes({"demo/libfoo.so": elf}, "glibc", X86_64)
    return Platform(
        system="Linux",
        arch="x86_64",
        libc="glibc",
        files=("demo/libfoo.so",),
        minimum="glibc",
        libraries=(),
        causes=causes,
        verdicts=judge(list_distributions("x86_64"), "glibc", causes, ()),
    )


def test_what_remains_without_a_version_is_the_next_older_one() -> None:
    needs = [("libstdc++.so.6", f"GLIBCXX_{number}", ("_ZSt",)) for number in ("3.4", "3.4.9", "3.4.26", "3.4.30")]
    platform = make_platform(make_elf(*needs))

    steps = [(step.version, step.remaining, "Debian 11" in step.gains) for step in list_steps(platform)]

    assert steps == [
        ("GLIBCXX_3.4.30", "GLIBCXX_3.4.26", True),
        ("GLIBCXX_3.4.26", "GLIBCXX_3.4.9", False),
    ]


def test_a_lower_floor_is_explained_symbol_by_symbol_with_the_configure_result_and_the_target() -> None:
    elf = make_elf(
        ("libc.so.6", "GLIBC_2.38", ("__isoc23_strtol", "strlcpy")),
        ("libc.so.6", "GLIBC_2.34", ("pthread_create",)),
        ("libc.so.6", "GLIBC_2.2.5", ("free",)),
    )
    subject = read_subject(str(Path(__file__).parent))  # a folder without compiled files
    explanation = Explanation(subject=subject, platforms=(make_platform(elf),))

    lines = [line.strip() for line in render_lower(explanation)]

    assert [line for line in lines if not line.startswith("without")][2:] == [
        "a build for manylinux_2_35_x86_64 avoids it: everywheel build --target manylinux_2_35_x86_64",
        "libfoo.so: __isoc23_strtol: compile for an older target: newer headers replace strtol by it",
        "libfoo.so: strlcpy: configure and compile for an older target, or do not call it",
        "configure results behind it: HAVE_STRLCPY (autoconf: ac_cv_func_strlcpy=no)",
        "a build for manylinux_2_31_x86_64 avoids it: everywheel build --target manylinux_2_31_x86_64",
        "libfoo.so: pthread_create: relink for an older target: glibc has an older version of it (2.2.5)",
    ]
