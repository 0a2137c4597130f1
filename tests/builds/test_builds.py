"""The whole flow, for a project that the orchestrator does not know."""

from __future__ import annotations

import re
import signal
import time
import zipfile
from pathlib import Path

import pytest
from conftest import TARGETS
from everywheel.audit import audit_wheel
from workshop import Workshop

GLIBC, MUSL = "manylinux_2_17_x86_64", "musllinux_1_2_aarch64"
NAMES = ["fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl", "fixture-1.0-cp311-abi3-musllinux_1_2_aarch64.whl"]
MACS = ("macosx_11_0_arm64", "macosx_10_15_x86_64")


def names_of(steps: dict[str, str]) -> list[str]:
    return sorted({id.partition(":")[0] for id in steps})


def test_every_target_gets_a_clean_wheel(finished: Workshop) -> None:
    wheels = [finished.find_wheel(target) for target in TARGETS]

    assert sorted(path.name for path in wheels) == list(finished.wheels())
    assert [finding for path in wheels for finding in audit_wheel(path).findings] == []


def test_a_second_build_has_nothing_to_do(copy: Workshop) -> None:
    assert copy.build() == {}


def test_a_changed_extension_rebuilds_only_the_wheels(copy: Workshop) -> None:
    copy.replace("extension/src/fixture.c", "Return the answer.", "Return it.")

    assert names_of(copy.build()) == ["wheel"]


def test_a_changed_recipe_rebuilds_what_requires_it(copy: Workshop) -> None:
    copy.replace("recipes/libbar/recipe.toml", 'system = "meson"', 'system = "meson"\ndefines = ["UNUSED"]')

    assert names_of(copy.build()) == ["libbar", "libfoo", "wheel"]


def test_a_lost_wheelhouse_is_filled_from_the_store(copy: Workshop, finished: Workshop) -> None:
    for path in (copy.project / "wheelhouse").iterdir():
        path.unlink()

    assert copy.build() == {}
    assert copy.wheels() == {name: digest for name, digest in finished.wheels().items() if name in NAMES}


def test_any_floor_is_a_target(copy: Workshop) -> None:
    copy.build("--target", "manylinux_2_28_aarch64")

    assert "fixture-1.0-cp311-abi3-manylinux_2_28_aarch64.whl" in copy.wheels()


def test_static_linkage_puts_every_library_inside_the_module(copy: Workshop) -> None:
    steps = copy.build("--target", GLIBC, "--linkage", "static")

    assert names_of(steps) == ["libfoo", "wheel"]  # libbar went inside already
    wheel = copy.project / "wheelhouse" / "zig-static" / NAMES[0]
    with zipfile.ZipFile(wheel) as archive:
        libraries = [name for name in archive.namelist() if ".so" in name]
    assert libraries == ["fixture.abi3.so"]
    # No finding: the module exports only PyInit_*.
    assert audit_wheel(wheel).findings == ()


HEADERS_ONLY = "dependency('foo').partial_dependency(compile_args: true, includes: true)"
OPENED = """#include <dlfcn.h>
static int open_answer(void) {
  void *library = dlopen("libfoo.so.1", RTLD_NOW);
  int (*found)(void) = library ? (int (*)(void))dlsym(library, "foo_answer") : NULL;
  return found ? found() : 0;
}
"""


def test_system_linkage_puts_no_library_into_the_wheel_and_is_passed_to_the_backend(copy: Workshop) -> None:
    copy.replace("pyproject.toml", "python =", 'config-settings = { system = { setup-args = "X" } }\npython =')
    copy.replace("pyproject.toml", '"X"', '["-Dlinkage=system"]')
    (copy.project / "extension" / "meson.options").write_text("option('linkage', type: 'string', value: '')\n")
    copy.replace("extension/meson.build", "dependency('foo')", f"[{HEADERS_ONLY}, dependency('dl')]")
    copy.replace(
        "extension/meson.build", "python = import", "assert(get_option('linkage') == 'system')\npython = import"
    )
    copy.replace("extension/src/fixture.c", "#include <stdlib.h>\n", "#include <stdlib.h>\n" + OPENED)
    copy.replace("extension/src/fixture.c", "abs(foo_answer())", "abs(open_answer())")

    steps = copy.build("--target", GLIBC, "--linkage", "system")

    assert names_of(steps) == ["wheel"]  # the libraries are those of shared linkage
    wheel = copy.project / "wheelhouse" / "zig-system" / NAMES[0]
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
    assert [name for name in files if ".so" in name] == ["fixture.abi3.so"]
    assert [name for name in files if "foo" in name or "bar" in name] == []
    report = audit_wheel(wheel)
    assert report.findings == ()
    assert report.checks[-1].message.endswith("no SBOM lists a library")


def test_system_linkage_finds_what_is_called_by_name(copy: Workshop) -> None:
    copy.replace("extension/meson.build", "dependency('foo')", HEADERS_ONLY)

    _, errors = copy.run("build", "-t", GLIBC, "--linkage", "system", exit_code=1)

    assert errors[errors.index("error: ") :].splitlines()[:3] == [
        f"error: fixture 1.0 for {GLIBC}: linkage is system, but fixture.abi3.so has undefined symbols of libfoo.so.1",
        "  | foo_answer",
        "  hint: no library with these symbols is loaded before the module: look each of them up with dlsym()",
    ]


def test_system_linkage_leaves_nothing_to_link(copy: Workshop) -> None:
    _, errors = copy.run("build", "-t", GLIBC, "--linkage", "system", exit_code=1)

    assert f"error: fixture 1.0 for {GLIBC}: mesonpy failed (exit 1)" in errors
    assert "libfoo" in errors or "'foo'" in errors
    assert "  hint: linkage is system: the prefix has headers and pkg-config files, but no library to link" in errors


def test_a_poisoned_environment_and_another_store_give_the_same_bytes(workshop: Workshop, finished: Workshop) -> None:
    poison = workshop.folder / "poison"
    poison.mkdir()
    for header in ("stdio.h", "stdlib.h", "foo.h", "bar.h", "Python.h"):
        (poison / header).write_text('#error "a header of the build machine was used"\n')
    for library in ("libc.so", "libfoo.so", "libbar.a", "libSystem.tbd"):
        (poison / library).write_text("not a library\n")
    names = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH")
    variables = dict.fromkeys(names, str(poison)) | {"CFLAGS": "-DBAR_HALF=1", "LDFLAGS": "-lnonsense", "CC": "false"}

    workshop.build(*(arg for target in (GLIBC, MUSL, *MACS) for arg in ("--target", target)), **variables)

    built = workshop.wheels()
    assert len(built) == 4
    assert built == {name: digest for name, digest in finished.wheels().items() if name in built}


def test_a_compiler_error_stops_only_what_needs_it(workshop: Workshop) -> None:
    workshop.replace(
        "recipes/libbar/recipe.toml", 'system = "meson"', 'system = "meson"\ndefines = ["BAR_HALF=no+such"]'
    )

    output, errors = workshop.run("build", "-t", GLIBC, exit_code=1)
    text = errors.replace(str(workshop.store), "{store}")
    lines = text[text.index("error: ") :].splitlines()

    assert lines[0] == f"error: libbar 2.0 for {GLIBC}: compile failed (exit 1)"
    assert re.match(r"  command: .*/tools/zig-\w+/bin/ninja -C {store}/\w+/libbar-", lines[1])
    assert any("error: use of undeclared identifier 'no'" in line for line in lines)
    assert f"  log: {{store}}/logs/libbar-{GLIBC}.log" in lines
    assert f"  hint: `everywheel shell libbar --target {GLIBC}` opens the kept workspace" in lines
    assert lines[lines.index("1 done, 1 failed, 2 skipped") :] == [
        "1 done, 1 failed, 2 skipped",
        f"  failed: libbar 2.0 for {GLIBC}",
        f"  skipped: libfoo 1.0 for {GLIBC} (requires libbar 2.0 for {GLIBC})",
        f"  skipped: fixture 1.0 for {GLIBC} (requires libbar 2.0 for {GLIBC})",
    ]
    assert output == "missing: fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl\n"
    assert workshop.run("shell", "libbar", "-t", GLIBC, "--run", "ls build/build.ninja")[0] == "build/build.ninja\n"


def test_a_broken_promise_fails_the_build(copy: Workshop) -> None:
    """The other promises are checked on the finished prefix, in test_promises.py."""
    copy.replace("recipes/libfoo/recipe.toml", 'libraries = ["foo"]', 'libraries = ["foo", "fool"]')

    errors = copy.run("build", "-t", GLIBC, exit_code=1)[1].splitlines()

    assert f"error: libfoo 1.0 for {GLIBC}: the build did not produce what the recipe promises" in errors
    assert "  promise 1: lib/libfool.so is missing" in errors


def test_a_feature_lost_in_configure_is_denied_by_the_library_itself(copy: Workshop) -> None:
    # A misspelled option, which CMake ignores.
    copy.replace("recipes/libfoo/recipe.toml", '"WITH_ANSWER"', '"WITH_ANSWERS"')

    errors = copy.run("build", "-t", GLIBC, exit_code=1)[1].splitlines()

    at = errors.index(
        f"error: libfoo 1.0 for {GLIBC}: the built library does not provide a feature that the recipe promises"
    )
    assert errors[at + 1 : at + 3] == ["  promised: answer", "  | answer"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_a_build_interrupted_in_a_compiler_resumes(workshop: Workshop, finished: Workshop, how: signal.Signals) -> None:
    """Interrupts at every step of a longer chain are in test_interrupts.py."""
    process = workshop.start("build", "-t", GLIBC)
    assert process.stderr is not None
    begun = next(line for line in process.stderr if "libbar 2.0 for " in line and ": done in" in line)
    time.sleep(0.3)  # into libfoo's configure or compile step
    process.send_signal(how)
    errors = begun + process.communicate()[1]

    if how is signal.SIGINT:
        assert process.returncode == 130
        assert errors.splitlines()[-1].startswith("interrupted: ")
    else:
        assert process.returncode == -signal.SIGKILL
    again = workshop.run("build", "-t", GLIBC)[1]

    assert "libbar 2.0 for" not in again
    assert set(workshop.wheels().items()) <= set(finished.wheels().items())
    assert "are intact" in workshop.run("store", "verify")[0]


def test_what_a_build_fetched_is_enough_to_build_offline(copy: Workshop) -> None:
    copy.replace("recipes/libbar/recipe.toml", 'system = "meson"', 'system = "meson"\ndefines = ["UNUSED"]')
    copy.run("sources", "fetch")

    steps = copy.build("-t", GLIBC, "--offline", EVERYWHEEL_MIRRORS="")

    assert set(steps.values()) == {"done"}


def test_what_was_fetched_once_builds_offline_and_travels_in_a_bundle(workshop: Workshop, tmp_path: Path) -> None:
    bundle = str(tmp_path / "sources.tar")
    workshop.run("sources", "bundle", bundle)
    workshop.new_store("other")
    workshop.run("sources", "import", bundle, EVERYWHEEL_MIRRORS="")

    steps = workshop.build("-t", GLIBC, "--offline", EVERYWHEEL_MIRRORS="")

    assert set(steps.values()) == {"done"}
