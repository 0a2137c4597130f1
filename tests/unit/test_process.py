"""Running one command well."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from everywheel.errors import BuildError, MachineError
from everywheel.execution.process import excerpt, run_logged
from everywheel.libraries.prefix import relocate_pkgconfig


def test_both_streams_come_back_in_order_and_stand_in_the_log(tmp_path: Path) -> None:
    code = "import sys; print('one', flush=True); print('two', file=sys.stderr, flush=True); print('three')"

    output = run_logged([sys.executable, "-c", code], cwd=tmp_path, env={}, log=tmp_path / "log", what="x")

    assert output == "one\ntwo\nthree\n"
    assert (tmp_path / "log").read_text().startswith(f"$ cd {tmp_path} && {sys.executable} -c ")


def test_a_failure_shows_the_command_and_the_telling_lines(tmp_path: Path) -> None:
    words = ["/bin/sh", "-c", "echo fine; echo 'a.c:1: error: no'; echo note; exit 3"]

    with pytest.raises(BuildError) as caught:
        run_logged(
            words, cwd=tmp_path, env={}, log=tmp_path / "log", what="libfoo 1.0 for here: compile", hint="do that"
        )

    assert caught.value.render() == (
        "error: libfoo 1.0 for here: compile failed (exit 3)\n"
        "  command: /bin/sh -c 'echo fine; echo '\"'\"'a.c:1: error: no'\"'\"'; echo note; exit 3'\n"
        "  | a.c:1: error: no\n"
        "  | note\n"
        f"  log: {tmp_path / 'log'}\n"
        "  hint: do that"
    )


def test_a_program_that_is_not_there_is_an_error_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught:
        run_logged(["/no/such/program"], cwd=tmp_path, env={}, log=tmp_path / "log", what="x")

    assert caught.value.render() == "error: x: cannot start /no/such/program\n  reason: No such file or directory"


def test_without_telling_lines_the_last_ones_are_shown() -> None:
    assert excerpt("\n".join(f"line {number}" for number in range(40))) == [
        f"line {number}" for number in range(28, 40)
    ]


PC = """prefix=/everywheel
libdir=/everywheel/lib

Name: foo
Requires: glib-2.0 >= 2.52
Requires.private: zlib
Libs: -L${libdir} -lfoo
Libs.private: -lm
"""


def test_a_pc_file_of_an_archive_keeps_what_it_needs_in_turn() -> None:
    text = relocate_pkgconfig(PC, shared=False)

    assert text == PC.replace("prefix=/everywheel", "prefix=${pcfiledir}/../..").replace("=/everywheel/", "=${prefix}/")


def test_a_pc_file_of_a_shared_library_names_no_library_inside_it_a_second_time() -> None:
    text = relocate_pkgconfig(PC, shared=True)

    assert text.splitlines()[4:] == ["Libs: -L${libdir} -lfoo", "Requires.private: glib-2.0 >= 2.52, zlib"]
