"""The commands `build`, `shell`, `sources` and `store` on the fixture project: results, incremental builds and errors."""

from __future__ import annotations

import re
import signal
import time
import zipfile
from pathlib import Path

import pytest
from conftest import TARGETS
from everywheel.audit import audit_wheel
from fixture_project import FixtureProject

GLIBC, MUSL = "manylinux_2_17_x86_64", "musllinux_1_2_aarch64"
NAMES = ["fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl", "fixture-1.0-cp311-abi3-musllinux_1_2_aarch64.whl"]
MACS = ("macosx_11_0_arm64", "macosx_10_15_x86_64")


def list_step_names(steps: dict[str, str]) -> list[str]:
    return sorted({id.partition(":")[0] for id in steps})


def test_the_wheels_of_all_targets_have_no_audit_findings(built_project: FixtureProject) -> None:
    wheels = [built_project.find_wheel(target) for target in TARGETS]

    assert sorted(path.name for path in wheels) == list(built_project.wheels())
    assert [finding for path in wheels for finding in audit_wheel(path).findings] == []


def test_a_second_build_runs_no_step(project_copy: FixtureProject) -> None:
    assert project_copy.build() == {}


def test_a_changed_extension_rebuilds_only_the_wheel(project_copy: FixtureProject) -> None:
    project_copy.replace("extension/src/fixture.c", "Return the answer.", "Return it.")

    assert list_step_names(project_copy.build("-t", GLIBC)) == ["wheel"]


def test_a_changed_recipe_rebuilds_the_steps_that_require_it_from_fetched_sources_without_a_network(
    project_copy: FixtureProject,
) -> None:
    project_copy.replace("recipes/libbar/recipe.toml", 'system = "meson"', 'system = "meson"\ndefines = ["UNUSED"]')
    project_copy.run("sources", "fetch")

    steps = project_copy.build("-t", GLIBC, "--offline", EVERYWHEEL_MIRRORS="")

    assert list_step_names(steps) == ["libbar", "libfoo", "wheel"]
    assert set(steps.values()) == {"done"}


def test_missing_wheels_are_exported_from_the_store_without_a_build(
    project_copy: FixtureProject, built_project: FixtureProject
) -> None:
    for path in (project_copy.root / "wheelhouse").iterdir():
        path.unlink()

    assert project_copy.build() == {}
    assert project_copy.wheels() == {name: digest for name, digest in built_project.wheels().items() if name in NAMES}


def test_static_linkage_puts_every_library_inside_the_module(project_copy: FixtureProject) -> None:
    steps = project_copy.build("--target", GLIBC, "--linkage", "static")

    assert list_step_names(steps) == ["libfoo", "wheel"]  # libbar is linked statically into libfoo in both linkages
    wheel = project_copy.root / "wheelhouse" / "zig-static" / NAMES[0]
    with zipfile.ZipFile(wheel) as archive:
        libraries = [name for name in archive.namelist() if ".so" in name]
    assert libraries == ["fixture.abi3.so"]
    # No finding: the module exports only PyInit_*.
    assert audit_wheel(wheel).findings == ()


HEADERS_ONLY = "dependency('foo').partial_dependency(compile_args: true, includes: true)"
DLOPEN_CODE = """#include <dlfcn.h>
static int open_answer(void) {
  void *library = dlopen("libfoo.so.1", RTLD_NOW);
  int (*answer)(void) = library ? (int (*)(void))dlsym(library, "foo_answer") : NULL;
  return answer ? answer() : 0;
}
"""


def test_system_linkage_bundles_no_library_and_is_passed_to_the_backend(project_copy: FixtureProject) -> None:
    project_copy.replace("pyproject.toml", "python =", 'config-settings = { system = { setup-args = "X" } }\npython =')
    project_copy.replace("pyproject.toml", '"X"', '["-Dlinkage=system"]')
    (project_copy.root / "extension" / "meson.options").write_text("option('linkage', type: 'string', value: '')\n")
    project_copy.replace("extension/meson.build", "dependency('foo')", f"[{HEADERS_ONLY}, dependency('dl')]")
    project_copy.replace(
        "extension/meson.build", "python = import", "assert(get_option('linkage') == 'system')\npython = import"
    )
    project_copy.replace("extension/src/fixture.c", "#include <stdlib.h>\n", "#include <stdlib.h>\n" + DLOPEN_CODE)
    project_copy.replace("extension/src/fixture.c", "abs(foo_answer())", "abs(open_answer())")

    steps = project_copy.build("--target", GLIBC, "--linkage", "system")

    assert list_step_names(steps) == ["wheel"]  # the libraries of shared linkage are used again
    wheel = project_copy.root / "wheelhouse" / "zig-system" / NAMES[0]
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
    assert [name for name in files if ".so" in name] == ["fixture.abi3.so"]
    assert [name for name in files if "foo" in name or "bar" in name] == []
    report = audit_wheel(wheel)
    assert report.findings == ()
    assert report.checks[-1].message.endswith("no SBOM lists a library")


def test_system_linkage_refuses_a_module_with_undefined_symbols_of_a_library(project_copy: FixtureProject) -> None:
    project_copy.replace("extension/meson.build", "dependency('foo')", HEADERS_ONLY)

    _, errors = project_copy.run("build", "-t", GLIBC, "--linkage", "system", exit_code=1)

    assert errors[errors.index("error: ") :].splitlines()[:3] == [
        f"error: fixture 1.0 for {GLIBC}: linkage is system, but fixture.abi3.so has undefined symbols of libfoo.so.1",
        "  | foo_answer",
        "  hint: no library with these symbols is loaded before the module: look each of them up with dlsym()",
    ]


def test_the_prefix_of_system_linkage_has_no_library_to_link(project_copy: FixtureProject) -> None:
    _, errors = project_copy.run("build", "-t", GLIBC, "--linkage", "system", exit_code=1)

    assert f"error: fixture 1.0 for {GLIBC}: mesonpy failed (exit 1)" in errors
    assert "libfoo" in errors or "'foo'" in errors
    assert "  hint: linkage is system: the prefix has headers and pkg-config files, but no library to link" in errors


def test_a_build_reports_a_shared_library_that_the_wheel_does_not_need(project_copy: FixtureProject) -> None:
    project_copy.replace("extension/src/fixture.c", "abs(foo_answer())", "abs(42)")

    _, errors = project_copy.run("build", "-t", GLIBC)

    warnings = [line for line in errors.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        f"warning: fixture 1.0 for {GLIBC}: {library} is not part of the result: no file is linked to it"
        for library in ("libbar 2.0", "libfoo 1.0")
    ]


@pytest.mark.parametrize("targets", [(GLIBC, MACS[0]), pytest.param((MUSL, MACS[1]), marks=pytest.mark.exhaustive)])
def test_compiler_variables_of_the_environment_and_another_store_do_not_change_the_bytes(
    project: FixtureProject, built_project: FixtureProject, targets: tuple[str, ...]
) -> None:
    unusable = project.folder / "unusable"
    unusable.mkdir()
    for header in ("stdio.h", "stdlib.h", "foo.h", "bar.h", "Python.h"):
        (unusable / header).write_text('#error "a header of the build machine was used"\n')
    for library in ("libc.so", "libfoo.so", "libbar.a", "libSystem.tbd"):
        (unusable / library).write_text("not a library\n")
    names = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH")
    variables = dict.fromkeys(names, str(unusable)) | {"CFLAGS": "-DBAR_HALF=1", "LDFLAGS": "-lnonsense", "CC": "false"}

    project.build(*(arg for target in targets for arg in ("--target", target)), **variables)

    built = project.wheels()
    assert len(built) == 2
    assert built == {name: digest for name, digest in built_project.wheels().items() if name in built}


def test_a_compiler_error_is_reported_and_skips_the_steps_that_depend_on_it(project: FixtureProject) -> None:
    project.replace(
        "recipes/libbar/recipe.toml", 'system = "meson"', 'system = "meson"\ndefines = ["BAR_HALF=no+such"]'
    )

    output, errors = project.run("build", "-t", GLIBC, exit_code=1)
    text = errors.replace(str(project.store), "{store}")
    lines = text[text.index("error: ") :].splitlines()

    assert lines[0] == f"error: libbar 2.0 for {GLIBC}: compile failed (exit 1)"
    assert re.match(r"  command: .*/tools/zig-\w+/bin/ninja -C {store}/\w+/libbar-", lines[1])
    assert any("error: use of undeclared identifier 'no'" in line for line in lines)
    assert any(re.fullmatch(rf"  log: {{store}}/logs/fixture-\w{{8}}/libbar-{GLIBC}.log", line) for line in lines)
    assert f"  hint: `everywheel shell libbar --target {GLIBC}` opens the kept workspace" in lines
    assert lines[lines.index("1 done, 1 failed, 2 skipped") :] == [
        "1 done, 1 failed, 2 skipped",
        f"  failed: libbar 2.0 for {GLIBC}",
        f"  skipped: libfoo 1.0 for {GLIBC} (requires libbar 2.0 for {GLIBC})",
        f"  skipped: fixture 1.0 for {GLIBC} (requires libbar 2.0 for {GLIBC})",
    ]
    assert output == "missing: fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl\n"
    assert project.run("shell", "libbar", "-t", GLIBC, "--run", "ls build/build.ninja")[0] == "build/build.ninja\n"


def test_a_missing_product_fails_the_build(project_copy: FixtureProject) -> None:
    """test_promises.py checks every other promise, without a build."""
    project_copy.replace("recipes/libfoo/recipe.toml", 'libraries = ["foo"]', 'libraries = ["foo", "fool"]')

    errors = project_copy.run("build", "-t", GLIBC, exit_code=1)[1].splitlines()

    assert f"error: libfoo 1.0 for {GLIBC}: the build did not produce what the recipe promises" in errors
    assert "  promise 1: lib/libfool.so is missing" in errors


def test_a_build_fails_if_the_library_does_not_provide_a_promised_feature(project_copy: FixtureProject) -> None:
    # CMake ignores a misspelled option.
    project_copy.replace("recipes/libfoo/recipe.toml", '"WITH_ANSWER"', '"WITH_ANSWERS"')

    errors = project_copy.run("build", "-t", GLIBC, exit_code=1)[1].splitlines()

    at = errors.index(
        f"error: libfoo 1.0 for {GLIBC}: the built library does not provide a feature that the recipe promises"
    )
    assert errors[at + 1 : at + 4] == ["  promised: answer", "  missing: answer", "  | answer"]


@pytest.mark.parametrize(
    "signal_number",
    [pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive), signal.SIGKILL],
    ids=lambda signal_number: signal_number.name,
)
def test_an_interrupted_compilation_resumes_in_the_next_build(
    project: FixtureProject, built_project: FixtureProject, signal_number: signal.Signals
) -> None:
    """test_interrupts.py has interrupts at other steps of a longer chain."""
    process = project.start("build", "-t", GLIBC)
    assert process.stderr is not None
    first_step = next(line for line in process.stderr if "libbar 2.0 for " in line and ": done in" in line)
    time.sleep(0.3)  # until libfoo is configured or compiled
    process.send_signal(signal_number)
    errors = first_step + process.communicate()[1]

    if signal_number is signal.SIGINT:
        assert process.returncode == 130
        assert errors.splitlines()[-1].startswith("interrupted: ")
    else:
        assert process.returncode == -signal.SIGKILL
    second_run = project.run("build", "-t", GLIBC)[1]

    assert "libbar 2.0 for" not in second_run
    assert set(project.wheels().items()) <= set(built_project.wheels().items())
    assert "are intact" in project.run("store", "verify")[0]


def test_a_bundle_has_every_source_of_an_offline_build(project: FixtureProject, tmp_path: Path) -> None:
    bundle = str(tmp_path / "sources.tar")
    project.run("lock")  # on a machine without a network, nothing could be resolved
    project.run("sources", "bundle", "--output", bundle)
    project.new_store("other")
    project.run("sources", "import", bundle, EVERYWHEEL_MIRRORS="")

    steps = project.build("-t", GLIBC, "--offline", EVERYWHEEL_MIRRORS="")

    assert set(steps.values()) == {"done"}
