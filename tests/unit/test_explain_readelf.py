"""Facts of the explanation against readelf and ldd, for programs and libraries of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from everywheel.explain.explanation import explain
from everywheel.explain.hardening import list_protections
from everywheel.explain.libraries import Origin
from everywheel.explain.requirements import find_highest
from everywheel.explain.subjects import read_subject
from everywheel.platforms.symbol_versions import version_key

FILES = [Path(path).resolve() for name in ("ls", "bash", "gcc", "git") if (path := shutil.which(name))]
FILES += sorted(path for path in Path("/lib/x86_64-linux-gnu").glob("lib[cmz].so.[16]"))

pytestmark = pytest.mark.skipif(
    shutil.which("readelf") is None or not FILES or not Path("/lib64/ld-linux-x86-64.so.2").exists(),
    reason="requires binutils and a system with glibc for x86-64",
)


def run(*args: str | Path) -> str:
    return subprocess.run(args, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_the_newest_versions_are_those_of_readelf(file: Path) -> None:
    (platform,) = explain(read_subject(str(file)), disassemble=False).platforms
    needs = run("readelf", "-VW", file).partition("Version needs section")[2]
    expected: dict[str, str] = {}
    for family, number in re.findall(r"Name: (GLIBC|GLIBCXX|CXXABI)_([\d.]+) ", needs):
        expected[family] = max(number, expected.get(family, ""), key=version_key)

    if "GLIBC_ABI_DT_RELR" in needs:
        expected["GLIBC"] = max("2.36", expected["GLIBC"], key=version_key)

    highest = find_highest(platform.causes)

    assert {f: highest[f][0].number for f in highest if f in ("GLIBC", "GLIBCXX", "CXXABI")} == expected


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_the_libraries_are_where_ldd_finds_them(file: Path) -> None:
    (platform,) = explain(read_subject(str(file)), disassemble=False).platforms
    needed = re.findall(r"Shared library: \[(.+?)\]", run("readelf", "-dW", file))
    loaded = dict(re.findall(r"(\S+) => (\S+)", run("ldd", file)))

    assert sorted(library.name for library in platform.libraries) == sorted(needed)
    for library in platform.libraries:
        if library.origin is Origin.SYSTEM and library.details.endswith(" on this machine"):
            found_here = Path(library.details.removesuffix(" on this machine"))
            assert found_here.resolve() == Path(loaded[library.name]).resolve()


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_the_protections_are_those_of_readelf(file: Path) -> None:
    (elf,) = read_subject(str(file)).contents.elves.values()
    segments, dynamic, notes = (run("readelf", option, file) for option in ("-lW", "-dW", "-nW"))
    symbols = run("readelf", "--dyn-syms", "-W", file)
    states = {item.name: item.state for item in list_protections(elf)}
    is_bound = "BIND_NOW" in dynamic or re.search(r"Flags:.* NOW", dynamic) is not None
    features = re.search(r"x86 feature: (.*)", notes)

    assert states["RELRO"] == ("none" if "GNU_RELRO" not in segments else "full" if is_bound else "partial")
    assert states["BIND_NOW"] == ("yes" if is_bound else "no")
    assert states["NX"] == ("yes" if re.search(r"GNU_STACK.* RW ", segments) else "executable stack")
    assert states["stack protector"] == ("yes" if "__stack_chk_fail" in symbols else "no")
    assert states["CET"] == (features[1] if features else "no")
    assert states.get("PIE", "yes") == ("yes" if "DYN (" in run("readelf", "-hW", file) else "no")
