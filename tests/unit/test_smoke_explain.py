"""The cause of a failed smoke test, from its output."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from everywheel.containers.catalog import SmokeImage
from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.platforms.target import parse_target
from everywheel.smoke.explain import Failure, FailureContext, explain, first_error, quote_failure
from everywheel.smoke.inside.protocol import Stage

IMAGES = {
    libc: SmokeImage(name=name, libc=libc, libc_version=version, arches=("x86_64",), digests={}, cpu={}, reference="x")
    for name, libc, version in (("debian-11", "glibc", (2, 31)), ("alpine-3-22", "musl", (1, 2, 5)))
}


def explain_output(
    output: str, *, libc: str = "glibc", tag: str = "manylinux2014_x86_64", exit_code: int = 1, cpu: str = ""
) -> str:
    context = FailureContext(target=parse_target(tag), image=IMAGES[libc], cpu=cpu)
    return explain(Failure(stage=Stage.TEST, exit_code=exit_code, output=output), context)


GLIBC_OUTPUTS = {
    "ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /x.libs/libfoo-1.so)": (
        "libfoo-1.so needs glibc 2.34, but debian-11 has 2.31 and the tag promises 2.17"
    ),
    "ImportError: /lib/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by /tmp/site/x/_x.abi3.so)": (
        "_x.abi3.so needs GLIBCXX_3.4.29, which debian-11 does not have"
    ),
    "ImportError: libwebp.so.7: cannot open shared object file: No such file or directory": (
        "libwebp.so.7 is neither in the wheel nor on the system: the library was not grafted"
    ),
    "ImportError: /tmp/site/x.abi3.so: undefined symbol: foo_bar": (
        "x.abi3.so needs the symbol foo_bar, which no library on debian-11 exports"
    ),
    "ERROR: x-1.0-cp311-abi3-manylinux2014_x86_64.whl is not a supported wheel on this platform.": (
        "pip rejects manylinux2014_x86_64 on debian-11: the tag is for another system or Python"
    ),
    "ImportError: /tmp/site/x.abi3.so: wrong ELF class: ELFCLASS32": (
        "the wheel contains a file for another architecture than x86_64"
    ),
    "OSError: [Errno 28] No space left on device": "the container's /tmp is full (`--tmpfs-size`)",
    "collected 3 items\nE   AssertionError: 3 is not 4\n1 failed": "AssertionError: 3 is not 4",
    "": "test ended with exit code 1",
}
MUSL_OUTPUTS = {
    "ImportError: Error loading shared library libfoo-12.so: No such file or directory (needed by x.so)": (
        "libfoo-12.so is neither in the wheel nor on the system: the library was not grafted"
    ),
    "ImportError: Error loading shared library libffi.so.8: No such file or directory (needed by "
    "/python/lib/python3.13/lib-dynload/_ctypes.cpython-313-x86_64-linux-musl.so)": (
        "alpine-3-22 has no libffi.so.8, which Python's own module _ctypes needs"
    ),
    "ImportError: Error relocating /tmp/site/x.so: foo: symbol not found": (
        "x.so needs the symbol foo, which no library on alpine-3-22 exports"
    ),
    'exec: "python3": executable file not found; exec: python3: no such file or directory': (
        "alpine-3-22 has no python3: the loader of the interpreter is missing"
    ),
}


@pytest.mark.parametrize(("output", "expected"), GLIBC_OUTPUTS.items())
def test_output_on_a_glibc_system_is_explained(output: str, expected: str) -> None:
    assert explain_output(output) == expected


@pytest.mark.parametrize(("output", "expected"), MUSL_OUTPUTS.items())
def test_output_on_a_musl_system_is_explained(output: str, expected: str) -> None:
    assert explain_output(output, libc="musl", tag="musllinux_1_2_x86_64") == expected


SIGNALS = [
    (-4, "Nehalem", "the wheel executes an instruction that a 'Nehalem' processor does not support"),
    (132, "", "the wheel executes an instruction that this processor does not support"),
    (-11, "", "the process crashed (SIGSEGV)"),
    (137, "", "the process was killed: out of memory"),
]


@pytest.mark.parametrize(("exit_code", "cpu", "expected"), SIGNALS)
def test_a_signal_is_recognized_from_a_shell_and_from_the_kernel(exit_code: int, cpu: str, expected: str) -> None:
    assert explain_output("output\n", exit_code=exit_code, cpu=cpu) == expected


def test_a_crash_on_musl_mentions_its_small_stacks() -> None:
    assert "small stack" in explain_output("", libc="musl", tag="musllinux_1_2_x86_64", exit_code=-11)


@pytest.mark.parametrize(
    ("libc", "needed", "expected"),
    [
        ("musl", {"libm.so.6", "libc.so.6"}, "the wheel is linked against glibc (libc.so.6), but alpine-3-22 has musl"),
        (
            "glibc",
            {"libc.musl-x86_64.so.1"},
            "the wheel is linked against musl (libc.musl-x86_64.so.1), but debian-11 has glibc",
        ),
    ],
)
def test_the_other_c_library_is_named_for_any_output_of_the_loader(libc: str, needed: set[str], expected: str) -> None:
    tag = "musllinux_1_2_x86_64" if libc == "musl" else "manylinux2014_x86_64"
    context = FailureContext(target=parse_target(tag), image=IMAGES[libc], needed=frozenset(needed))
    output = "ImportError: Error relocating x.so: y: symbol not found"

    assert explain(Failure(stage=Stage.TEST, exit_code=1, output=output), context) == expected


def test_the_excerpt_of_a_failed_smoke_command_has_the_exception_that_pytest_reports(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("import _no_such_module\n")
    log = tmp_path / "smoke.log"
    log.write_text("output of pip with an error\n")

    with pytest.raises(BuildError) as error:
        run_logged(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_x.py"],
            cwd=tmp_path,
            env=os.environ,
            log=log,
            label="x",
            quote=quote_failure,
        )

    message = "ModuleNotFoundError: No module named '_no_such_module'"
    assert f"E   {message}" in error.value.excerpt
    assert "short test summary" in "".join(error.value.excerpt)
    assert len(error.value.excerpt) == 12
    assert first_error("\n".join(error.value.excerpt)) == message


def test_a_command_of_several_lines_is_not_in_the_excerpt(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "name = 'error'\nimport sys\nsys.exit('Boom')"]

    with pytest.raises(BuildError) as error:
        run_logged(command, cwd=tmp_path, env=os.environ, log=tmp_path / "x.log", label="x", quote=quote_failure)

    assert error.value.excerpt == ("Boom",)


def test_an_error_before_the_last_lines_is_the_first_line_of_the_excerpt() -> None:
    lines = ["= ERRORS =", "E   ImportError: libwebp.so.7: not found", *(f"line {i}" for i in range(20))]

    assert quote_failure("\n".join(lines)) == ("ImportError: libwebp.so.7: not found", *lines[-11:])
