"""Linkage `system`: what must not be in a wheel whose module opens the system's libraries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from everywheel.binaries.elf import ElfFacts
from everywheel.errors import BuildError
from everywheel.wheels.system_linkage import ProvidedSymbols, check_file

MODULE = ElfFacts(
    bits=64,
    endian="little",
    machine="EM_X86_64",
    kind="ET_DYN",
    soname="",
    needed=("libc.so.6",),
    rpath=(),
    rpath_is_inherited=True,
    versions=(),
    exports=(),
    undefined=("PyLong_FromLong", "malloc"),
    stack="rw",
    text_relocations=False,
    debug={},
    page=4096,
)
OFFERED = ProvidedSymbols(
    libraries=frozenset({"libfoo.so.1"}), symbols={"foo_one": "libfoo.so.1", "foo_two": "libfoo.so.1"}
)


def test_a_module_that_opens_everything_is_fine() -> None:
    check_file("demo.abi3.so", MODULE, OFFERED, "demo 1.0")


@pytest.mark.parametrize(
    ("elf", "words"),
    [
        (
            replace(MODULE, soname="libfoo.so.1"),
            "error: demo 1.0: linkage is system, and the wheel has libfoo.so.1 inside\n"
            "  file: demo.abi3.so\n"
            "  hint: leave it out of the wheel: the module opens the system's own with dlopen()",
        ),
        (
            replace(MODULE, needed=("libfoo.so.1", "libc.so.6")),
            "error: demo 1.0: linkage is system, and demo.abi3.so is linked to libfoo.so.1\n"
            "  hint: use the libraries' headers alone, and dlopen() them at run time",
        ),
        (
            replace(MODULE, undefined=("foo_two", "malloc", "foo_one")),
            "error: demo 1.0: linkage is system, and demo.abi3.so calls libfoo.so.1 by name\n"
            "  | foo_one\n"
            "  | foo_two\n"
            "  hint: no library that has these symbols is loaded before the module: reach each through dlsym()",
        ),
    ],
    ids=["inside", "linked", "called"],
)
def test_what_is_not_opened_is_named(elf: ElfFacts, words: str) -> None:
    with pytest.raises(BuildError) as found:
        check_file("demo.abi3.so", elf, OFFERED, "demo 1.0")

    assert found.value.render() == words
