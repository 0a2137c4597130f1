"""The whole way, for a project that the toolkit has never heard of."""

from __future__ import annotations

import json
import re
import signal
import time
import zipfile
from pathlib import Path

import pytest
from everywheel.audit import audit_wheel
from workshop import Workshop

GLIBC, MUSL = "manylinux_2_17_x86_64", "musllinux_1_2_aarch64"
NAMES = ["fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl", "fixture-1.0-cp311-abi3-musllinux_1_2_aarch64.whl"]


def names_of(steps: dict[str, str]) -> list[str]:
    return sorted({id.partition(":")[0] for id in steps})


def test_every_target_gets_a_clean_wheel(finished: Workshop) -> None:
    wheels = [finished.project / "wheelhouse" / name for name in finished.wheels()]

    assert [path.name for path in wheels] == NAMES
    assert [finding for path in wheels for finding in audit_wheel(path).findings] == []


def test_a_second_build_has_nothing_to_do(copy: Workshop) -> None:
    assert copy.build() == {}


def test_a_changed_extension_rebuilds_the_wheels_alone(copy: Workshop) -> None:
    copy.replace("extension/src/fixture.c", "Return the answer.", "Return it.")

    assert names_of(copy.build()) == ["wheel"]


def test_a_changed_recipe_rebuilds_what_requires_it(copy: Workshop) -> None:
    copy.replace("recipes/libbar/recipe.toml", 'system = "meson"', 'system = "meson"\ndefines = ["UNUSED"]')

    assert names_of(copy.build()) == ["libbar", "libfoo", "wheel"]


def test_a_lost_wheelhouse_is_filled_from_the_store(copy: Workshop, finished: Workshop) -> None:
    for path in (copy.project / "wheelhouse").iterdir():
        path.unlink()

    assert copy.build() == {}
    assert copy.wheels() == finished.wheels()


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
    # No finding: the module lets nothing out but PyInit_*.
    assert audit_wheel(wheel).findings == ()


HEADERS_ONLY = "dependency('foo').partial_dependency(compile_args: true, includes: true)"
OPENED = """#include <dlfcn.h>
static int open_answer(void) {
  void *library = dlopen("libfoo.so.1", RTLD_NOW);
  int (*found)(void) = library ? (int (*)(void))dlsym(library, "foo_answer") : NULL;
  return found ? found() : 0;
}
"""


def test_system_linkage_puts_nothing_into_the_wheel_and_tells_the_backend(copy: Workshop) -> None:
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
        f"error: fixture 1.0 for {GLIBC}: linkage is system, and fixture.abi3.so calls libfoo.so.1 by name",
        "  | foo_answer",
        "  hint: no library that has these symbols is loaded before the module: reach each through dlsym()",
    ]


def test_system_linkage_leaves_nothing_to_link(copy: Workshop) -> None:
    _, errors = copy.run("build", "-t", GLIBC, "--linkage", "system", exit_code=1)

    assert f"error: fixture 1.0 for {GLIBC}: mesonpy failed (exit 1)" in errors
    assert "libfoo" in errors or "'foo'" in errors
    assert "  hint: linkage is system: the prefix has headers and pkg-config files, and no library to link" in errors


def test_a_poisoned_environment_and_another_store_give_the_same_bytes(workshop: Workshop, finished: Workshop) -> None:
    poison = workshop.folder / "poison"
    poison.mkdir()
    for header in ("stdio.h", "stdlib.h", "foo.h", "bar.h", "Python.h"):
        (poison / header).write_text('#error "a header of the build machine was used"\n')
    for library in ("libc.so", "libfoo.so", "libbar.a"):
        (poison / library).write_text("not a library\n")
    names = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH")
    variables = dict.fromkeys(names, str(poison)) | {"CFLAGS": "-DBAR_HALF=1", "LDFLAGS": "-lnonsense", "CC": "false"}

    workshop.build(**variables)

    assert workshop.wheels() == finished.wheels()


def test_a_compiler_error_stops_only_what_needs_it(workshop: Workshop) -> None:
    workshop.replace(
        "recipes/libbar/recipe.toml", 'system = "meson"', 'system = "meson"\ndefines = ["BAR_HALF=no+such"]'
    )

    output, errors = workshop.run("build", "-t", GLIBC, exit_code=1)
    words = errors.replace(str(workshop.store), "{store}")
    told = words[words.index("error: ") :].splitlines()

    assert told[0] == f"error: libbar 2.0 for {GLIBC}: compile failed (exit 1)"
    assert re.match(r"  command: .*/tools/zig-\w+/bin/ninja -C {store}/\w+/libbar-", told[1])
    assert any("error: use of undeclared identifier 'no'" in line for line in told)
    assert f"  log: {{store}}/logs/libbar-{GLIBC}.log" in told
    assert f"  hint: `everywheel shell libbar --target {GLIBC}` opens the kept workspace" in told
    assert told[told.index("1 done, 1 failed, 2 not tried") :] == [
        "1 done, 1 failed, 2 not tried",
        f"  failed: libbar 2.0 for {GLIBC}",
        f"  not tried: libfoo 1.0 for {GLIBC} (needs libbar 2.0 for {GLIBC})",
        f"  not tried: fixture 1.0 for {GLIBC} (needs libbar 2.0 for {GLIBC})",
    ]
    assert output == "missing: fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl\n"
    assert workshop.run("shell", "libbar", "-t", GLIBC, "--run", "ls build/build.ninja")[0] == "build/build.ninja\n"


@pytest.mark.parametrize(
    ("old", "new", "promise"),
    [
        ('libraries = ["foo"]', 'libraries = ["foo", "fool"]', "promise 1: lib/libfool.so is not there"),
        ('"include/foo.h"', '"include/food.h"', "promise 1: include/food.h is not there"),
        ("libfoo.so.1", "libfoo.so.2", "promise 1: lib/libfoo.so has the soname 'libfoo.so.1', not 'libfoo.so.2'"),
        ('pkgconfig = ["foo"]', 'pkgconfig = ["fou"]', "promise 1: lib/pkgconfig/fou.pc is not there"),
        (
            'exports = ["foo_answer"]',
            'exports = ["foo_answer"]\nevidence = ["forty-two"]',
            "promise 1: no library contains 'forty-two': a feature was lost in configure",
        ),
    ],
)
def test_a_broken_promise_fails_the_build(copy: Workshop, old: str, new: str, promise: str) -> None:
    copy.replace("recipes/libfoo/recipe.toml", old, new)

    errors = copy.run("build", "-t", GLIBC, exit_code=1)[1].splitlines()

    assert f"error: libfoo 1.0 for {GLIBC}: the build did not make what the recipe promises" in errors
    assert f"  {promise}" in errors


def test_a_feature_lost_in_configure_is_denied_by_the_library_itself(copy: Workshop) -> None:
    # Misspelt, so that CMake takes no notice of it.
    copy.replace("recipes/libfoo/recipe.toml", '"WITH_ANSWER"', '"WITH_ANSWERS"')

    errors = copy.run("build", "-t", GLIBC, exit_code=1)[1].splitlines()

    at = errors.index(f"error: libfoo 1.0 for {GLIBC}: the built library denies what the recipe promises")
    assert errors[at + 1 : at + 3] == ["  promised: answer", "  | answer"]


@pytest.mark.parametrize("ended", ["compiler for", "libbar 2.0 for", "libfoo 1.0 for"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_an_interrupted_build_goes_on_from_what_was_finished(
    workshop: Workshop, finished: Workshop, how: signal.Signals, ended: str
) -> None:
    process = workshop.start("build")
    assert process.stderr is not None
    begun = next(line for line in process.stderr if f"{ended} " in line and ": done in" in line)
    time.sleep(0.3)  # into the step after it
    process.send_signal(how)
    errors = begun + process.communicate()[1]

    if how is signal.SIGINT:
        assert process.returncode == 130
        assert errors.splitlines()[-1] == "interrupted: what was finished is kept, the next run goes on from there"
    else:
        assert process.returncode == -signal.SIGKILL
    kept = {line.split("] ")[1].split(": ")[0] for line in errors.splitlines() if ": done in" in line}
    again = workshop.run("build")[1]

    assert not [label for label in kept if not label.startswith("compiler") and f"{label}: " in again]
    assert workshop.wheels() == finished.wheels()
    assert "are sound" in workshop.run("store", "verify")[0]


def test_two_processes_share_a_store_and_build_each_step_once(workshop: Workshop, finished: Workshop) -> None:
    processes = [workshop.start("build", "-t", GLIBC, "--json") for _ in range(2)]
    reports = [json.loads(process.communicate()[0]) for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    built = [step["id"] for report in reports for step in report["steps"] if step["outcome"] == "done"]
    assert sorted(built) == sorted(set(built))
    assert names_of(dict.fromkeys(built, "done")) == ["cpython", "libbar", "libfoo", "wheel"]
    assert set(workshop.wheels().items()) <= set(finished.wheels().items())


def test_what_a_build_fetched_is_enough_to_build_offline(copy: Workshop) -> None:
    copy.replace("recipes/libbar/recipe.toml", 'system = "meson"', 'system = "meson"\ndefines = ["UNUSED"]')
    copy.run("sources", "fetch")

    steps = copy.build("-t", GLIBC, "--offline", EVERYWHEEL_MIRRORS="")

    assert set(steps.values()) == {"done"}


def test_what_was_fetched_once_builds_offline_and_travels_in_a_bundle(workshop: Workshop, tmp_path: Path) -> None:
    bundle = str(tmp_path / "sources.tar")
    workshop.run("sources", "bundle", bundle)
    workshop.new_store("elsewhere")
    workshop.run("sources", "import", bundle, EVERYWHEEL_MIRRORS="")

    steps = workshop.build("-t", GLIBC, "--offline", EVERYWHEEL_MIRRORS="")

    assert set(steps.values()) == {"done"}
