"""Linkage `system`: the checks of a wheel whose module opens the system's libraries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from everywheel.binaries.elf import ElfFacts
from everywheel.errors import BuildError
from everywheel.wheels.system_linkage import ProvidedSymbols, check_file
from example_wheels import ELF

MODULE = replace(ELF, needed=("libc.so.6",), undefined=("PyLong_FromLong", "malloc"))
PROVIDED = ProvidedSymbols(
    libraries=frozenset({"libfoo.so.1"}), symbols={"foo_one": "libfoo.so.1", "foo_two": "libfoo.so.1"}
)


def test_a_module_that_only_opens_libraries_is_valid() -> None:
    check_file("demo.abi3.so", MODULE, PROVIDED, "demo 1.0")


@pytest.mark.parametrize(
    ("elf", "message"),
    [
        (
            replace(MODULE, soname="libfoo.so.1"),
            "error: demo 1.0: linkage is system, but the wheel contains libfoo.so.1\n"
            "  file: demo.abi3.so\n"
            "  hint: do not install it into the wheel: the module opens the system's own library with dlopen()",
        ),
        (
            replace(MODULE, needed=("libfoo.so.1", "libc.so.6")),
            "error: demo 1.0: linkage is system, but demo.abi3.so is linked to libfoo.so.1\n"
            "  hint: use only the headers of the libraries, and open them with dlopen() at run time",
        ),
        (
            replace(MODULE, undefined=("foo_two", "malloc", "foo_one")),
            "error: demo 1.0: linkage is system, but demo.abi3.so has undefined symbols of libfoo.so.1\n"
            "  | foo_one\n"
            "  | foo_two\n"
            "  hint: no library with these symbols is loaded before the module: look each of them up with dlsym()",
        ),
    ],
    ids=["contained", "linked", "called"],
)
def test_a_library_that_is_not_opened_is_an_error(elf: ElfFacts, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        check_file("demo.abi3.so", elf, PROVIDED, "demo 1.0")

    assert caught.value.render() == message
