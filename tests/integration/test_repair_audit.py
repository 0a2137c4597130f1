"""Repair and audit of wheels with real ELF files, which zig compiles for four targets."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.audit import Finding, Report, audit_wheel
from everywheel.errors import AuditError, BuildError
from everywheel.libraries.library_facts import Library, write_library
from everywheel.platforms.target import parse_target
from everywheel.repair import RepairRequest, WheelTags, repair_wheel
from everywheel.store.local import FIXED_TIME, default_store
from everywheel.toolchains.build_tools import Tools, ensure_tools
from everywheel.wheels.wheel import Wheel, WheelFile, add_files, pack_wheel, read_wheel

pytestmark = pytest.mark.xdist_group("repair_audit")

TARGETS = ("manylinux2014_x86_64", "manylinux2014_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64")

INNER = "int hidden_double(int x) { return 2 * x; } int inner_double(int x) { return hidden_double(x); }"
OUTER = """
#include <math.h>
#include <stdlib.h>
#include <string.h>
int inner_double(int);
int outer_answer(int x) {
  char *copy = malloc(8); memcpy(copy, &x, 4); free(copy);
  return inner_double(x) + (int) cbrt(27.0 * x);
}
"""
MODULE = """
#include <stdlib.h>
typedef struct _object { long refs; void *type; } PyObject;
typedef struct { const char *name; PyObject *(*call)(PyObject *, PyObject *); int flags; const char *doc; } PyMethodDef;
typedef struct { PyObject base; void *init; long index; PyObject *copy; const char *name; const char *doc; long size;
                 PyMethodDef *methods; void *slots; void *traverse; void *clear; void *free; } PyModuleDef;
PyObject *PyModule_Create2(PyModuleDef *, int);
PyObject *PyLong_FromLong(long);
int outer_answer(int);
__attribute__((visibility("hidden"))) int outside(void) { return EXPRESSION; }
static PyObject *answer(PyObject *self, PyObject *none) {
  free(self == none ? malloc(1) : 0);
  return PyLong_FromLong(outer_answer(7));
}
static PyMethodDef methods[] = {{"answer", answer, 4, 0}, {0, 0, 0, 0}};
static PyModuleDef definition = {{1, 0}, 0, 0, 0, "_demo", 0, -1, methods, 0, 0, 0, 0};
PyObject *PyInit__demo(void) { outside(); return PyModule_Create2(&definition, 3); }
"""
METADATA = (
    "Metadata-Version: 2.4\nName: demo-pack\nVersion: 1.0\nLicense-Expression: MIT\nLicense-File: LICENSE\n\nA demo.\n"
)


@pytest.fixture(scope="session")
def tools() -> Tools:
    return ensure_tools(default_store())


@pytest.fixture(scope="session")
def compile_shared(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """A function that compiles C to a shared object and caches the result of each call."""
    folder = tmp_path_factory.mktemp("compiled")

    def compile_c(
        tag: str, source: str, *flags: str, links: Sequence[Path] = (), zig: str = "", strip: bool = True
    ) -> bytes:
        digest = hashlib.sha256(repr((tag, source, flags, links, zig)).encode()).hexdigest()[:16]
        result = folder / f"{digest}.so"
        if not result.exists():
            target = parse_target(tag)
            code = folder / f"{digest}.c"
            code.write_text(source)
            dynamic = ["-dynamic"] if target.libc == "musl" else []
            stripped = ["-g0", "-s"] if strip else ["-g"]
            command = [
                tools.zig,
                "cc",
                "-target",
                zig or target.zig,
                *dynamic,
                "-shared",
                "-fPIC",
                "-O1",
                *stripped,
                "-fno-sanitize=undefined",
                "-o",
                result,
                code,
                *flags,
                *links,
            ]
            cache = str(default_store() / "zig")
            env = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
            process = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True, check=False)
            assert process.returncode == 0, process.stderr
        return result.read_bytes()

    return compile_c


def make_prefix(folder: Path, tag: str, compile_shared: Callable[..., bytes]) -> Path:
    """Create a prefix with two shared libraries, one of which requires the other, and the record of a static one."""
    lib = folder / "lib"
    lib.mkdir(parents=True)
    (folder / "exports.map").write_text("{ global: inner_*; local: *; };\n")
    script = f"-Wl,--version-script={folder / 'exports.map'}"
    (lib / "libinner.so.2.0").write_bytes(compile_shared(tag, INNER, "-Wl,-soname,libinner.so.2", script))
    (lib / "libinner.so.2").symlink_to("libinner.so.2.0")
    outer = compile_shared(tag, OUTER, "-Wl,-soname,libouter.so.1", "-lm", links=[lib / "libinner.so.2.0"])
    (lib / "libouter.so.1").write_bytes(outer)
    libraries = (
        Library(
            name="inner", version="2.0", license="Zlib", linkage="shared", files=("libinner",), exports=("inner_*",)
        ),
        Library(
            name="outer",
            version="1.5",
            license="LGPL-2.1-or-later",
            linkage="shared",
            requires=("inner", "tiny"),
            files=("libouter",),
            exports=("outer_*",),
            url="https://example.org/outer.tar.gz",
            sha256="ab" * 32,
        ),
        Library(
            name="tiny",
            version="0.3",
            license="Apache-2.0 OR BSD-3-Clause",
            linkage="static",
            files=("libtiny",),
            exports=("tiny_*",),
        ),
        Library(name="headers", version="3.11.2", license="PSF-2.0", linkage="static"),
    )
    for library in libraries:
        text = f"You may use {library.name}.\n".encode()
        write_library(replace(library, texts={"COPYING": text}), folder)
    return folder


def make_wheel(tag: str, folder: Path, module: bytes, *, python: str = "cp313") -> Path:
    """Pack a wheel as a build backend does: tagged for this machine and for the Python that ran the backend."""
    machine = f"linux_{parse_target(tag).arch.name}"
    wheel_file = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {python}-abi3-{machine}\n"
    files = {
        "demo/__init__.py": b"from demo._demo import answer\n",
        "demo/_demo.abi3.so": module,
        "demo_pack-1.0.dist-info/METADATA": METADATA.encode(),
        "demo_pack-1.0.dist-info/WHEEL": wheel_file.encode(),
        "demo_pack-1.0.dist-info/licenses/LICENSE": b"You may use demo.\n",
    }
    wheel = Wheel(
        name="demo_pack",
        version="1.0",
        build="",
        python=python,
        abi="abi3",
        platform=machine,
        files={name: WheelFile(data=data, executable=name.endswith(".so")) for name, data in files.items()},
    )
    return pack_wheel(wheel, folder, epoch=FIXED_TIME)


@pytest.fixture(scope="session")
def repaired(
    tools: Tools, compile_shared: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """A function that returns the repaired demo wheel for a target, which is repaired once."""
    wheels: dict[str, Path] = {}

    def repair_demo(tag: str) -> Path:
        if tag not in wheels:
            wheels[tag] = repair_for(tag, tools, compile_shared, tmp_path_factory.mktemp(tag))
        return wheels[tag]

    return repair_demo


def repair_for(
    tag: str,
    tools: Tools,
    compile_shared: Callable[..., bytes],
    folder: Path,
    *,
    zig: str = "",
    expression: str = "0",
    rpath: bool = True,
    missing_library: str = "",
) -> Path:
    """Repair a demo wheel; unless `rpath` is false, its module has an RPATH to the prefix, as build systems write it."""
    prefix = make_prefix(folder / "prefix", tag, compile_shared)
    flags = [f"-Wl,-rpath,{prefix / 'lib'}"] if rpath else []
    source = MODULE.replace("EXPRESSION", expression)
    module = compile_shared(tag, source, *flags, zig=zig, links=[prefix / "lib" / "libouter.so.1"])
    if missing_library:
        (prefix / "lib" / missing_library).unlink()
    repair = RepairRequest(
        target=parse_target(tag),
        prefix=prefix,
        patchelf=tools.patchelf,
        work=folder / "work",
        log=folder / "repair.log",
        epoch=FIXED_TIME,
        exclude=("headers",),
        tags=WheelTags(python="cp311", abi="abi3", platform=parse_target(tag).wheel_tag),
    )
    return repair_wheel(make_wheel(tag, folder / "built", module), repair, folder / "wheelhouse").path


def replace_file(wheel: Path, folder: Path, path: str, data: bytes) -> Path:
    """Return a copy of a wheel with other contents of one file and the correct RECORD."""
    return pack_wheel(add_files(read_wheel(wheel), {path: data}), folder, epoch=FIXED_TIME)


def list_problems(report: Report) -> list[tuple[str, str, str]]:
    return [(finding.check, finding.file, finding.message) for finding in report.findings]


@pytest.mark.parametrize("tag", TARGETS)
def test_a_repaired_wheel_contains_its_libraries_and_has_no_findings(tag: str, repaired: Callable[[str], Path]) -> None:
    wheel = repaired(tag)

    report = audit_wheel(wheel)

    assert wheel.name == f"demo_pack-1.0-cp311-abi3-{tag}.whl"
    assert report.findings == ()
    assert [file.path.split("-")[0] for file in report.files] == [
        "demo/_demo.abi3.so",
        "demo_pack.libs/libinner",
        "demo_pack.libs/libouter",
    ]
    assert [file.rpath for file in report.files] == [("$ORIGIN/../demo_pack.libs",), (), ("$ORIGIN",)]


@pytest.mark.parametrize("tag", TARGETS)
def test_the_wheel_contains_license_and_sbom_entry_of_every_library(tag: str, repaired: Callable[[str], Path]) -> None:
    wheel = read_wheel(repaired(tag))

    metadata = wheel.files["demo_pack-1.0.dist-info/METADATA"].data.decode()
    sbom = json.loads(wheel.files["demo_pack-1.0.dist-info/sboms/demo_pack.cdx.json"].data)
    assert "License-Expression: MIT AND Zlib AND LGPL-2.1-or-later AND (Apache-2.0 OR BSD-3-Clause)\n" in metadata
    assert wheel.files["demo_pack-1.0.dist-info/licenses/tiny/COPYING"].data == b"You may use tiny.\n"
    assert [component["purl"] for component in sbom["components"]] == [
        "pkg:generic/inner@2.0",
        f"pkg:generic/outer@1.5?checksum=sha256:{'ab' * 32}&download_url=https://example.org/outer.tar.gz",
        "pkg:generic/tiny@0.3",
    ]


def test_the_wheel_for_this_machine_installs_and_runs(repaired: Callable[[str], Path], tmp_path: Path) -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("this machine has no glibc")
    wheel = repaired(f"manylinux2014_{platform.machine()}")
    venv.create(tmp_path / "env", symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", wheel]
    subprocess.run(list(map(str, install)), check=True)

    output = subprocess.run(
        [python, "-c", "import demo; print(demo.answer())"], capture_output=True, text=True, check=True
    )

    assert output.stdout == "19\n"


@pytest.mark.parametrize("tag", TARGETS)
def test_repairs_in_different_directories_give_the_same_bytes(
    tag: str, tools: Tools, compile_shared: Callable[..., bytes], tmp_path: Path
) -> None:
    first = repair_for(tag, tools, compile_shared, tmp_path / "a", rpath=False)
    second = repair_for(tag, tools, compile_shared, tmp_path / "b", rpath=False)

    assert hashlib.sha256(first.read_bytes()).hexdigest() == hashlib.sha256(second.read_bytes()).hexdigest()


def test_a_library_missing_in_the_prefix_is_never_taken_from_the_build_machine(
    tools: Tools, compile_shared: Callable[..., bytes], tmp_path: Path
) -> None:
    with pytest.raises(AuditError) as caught:
        repair_for(TARGETS[0], tools, compile_shared, tmp_path, missing_library="libinner.so.2")

    assert (
        caught.value.fact == "demo_pack 1.0 for manylinux_2_17_x86_64: a library that the wheel needs cannot be found"
    )
    assert caught.value.details[str(tmp_path / "prefix" / "lib" / "libouter.so.1")] == "needs libinner.so.2"
    assert not list((tmp_path / "wheelhouse").glob("*"))


def test_a_wheel_that_needs_a_newer_glibc_than_its_target_is_not_repaired(
    tools: Tools, compile_shared: Callable[..., bytes], tmp_path: Path
) -> None:
    with pytest.raises(BuildError) as caught:
        repair_for(TARGETS[0], tools, compile_shared, tmp_path, zig="x86_64-linux-gnu.2.34", expression=NEW_SYMBOL)

    assert caught.value.render() == (
        "error: demo_pack 1.0 for manylinux_2_17_x86_64: the wheel needs a newer system than its tag promises\n"
        "  oldest compatible tag: manylinux_2_34_x86_64\n"
        f"  log: {tmp_path / 'repair.log'}\n"
        "  hint: `everywheel audit` on the wheel names the file and what it needs"
    )
    assert not list((tmp_path / "wheelhouse").glob("*"))


NEW_SYMBOL = "0; } int pthread_join(unsigned long, void **); int newer(void) { return pthread_join(0, 0)"
GLIBC, MUSL, ARM = TARGETS[0], TARGETS[2], TARGETS[1]
MODULE_PATH = "demo/_demo.abi3.so"


def test_a_symbol_above_the_floor_is_named_with_its_library(
    repaired: Callable[[str], Path], compile_shared: Callable[..., bytes], tmp_path: Path
) -> None:
    module = compile_shared(
        GLIBC, MINIMAL_MODULE + "int newer(void) { return pthread_join(0, 0); }", zig="x86_64-linux-gnu.2.34"
    )

    report = audit_wheel(replace_file(repaired(GLIBC), tmp_path, MODULE_PATH, module))

    assert (
        Finding(
            check="symbols",
            file=MODULE_PATH,
            message="needs GLIBC_2.34 of libc.so.6, but manylinux2014_x86_64 promises glibc 2.17",
            evidence=("pthread_join@GLIBC_2.34",),
        )
        in report.findings
    )


MINIMAL_MODULE = """
int pthread_join(unsigned long, void **);
void *PyModule_Create2(void *, int);
void *PyInit__demo(void) { return PyModule_Create2(0, 3); }
"""


@pytest.mark.parametrize(
    ("tag", "source", "flags", "check", "message", "evidence"),
    [
        (
            ARM,
            MINIMAL_MODULE,
            (),
            "arch",
            "built for EM_AARCH64, 64 bits, little-endian; manylinux2014_x86_64 requires EM_X86_64, 64 bits, little-endian",
            (),
        ),
        (
            GLIBC,
            MINIMAL_MODULE + "void tiny_alloc(void) {}",
            (),
            "exports",
            "exports 1 symbol that the recipe does not declare (declared: PyInit_*)",
            ("tiny_alloc (from tiny 0.3, which is linked statically)",),
        ),
        (
            GLIBC,
            MINIMAL_MODULE + "void _PyUnicode_Ready(void *); void f(void) { _PyUnicode_Ready(0); }",
            (),
            "abi3",
            "uses symbols that are not in the stable ABI",
            ("_PyUnicode_Ready",),
        ),
        (
            GLIBC,
            MINIMAL_MODULE + "void PyLong_AsInt(void *); void f(void) { PyLong_AsInt(0); }",
            (),
            "abi3",
            "needs Python 3.13, but the wheel is tagged for 3.11",
            ("PyLong_AsInt (since 3.13)",),
        ),
        (
            GLIBC,
            "void *PyInit_other(void) { return 0; }",
            (),
            "tags",
            "does not export PyInit__demo, so Python cannot import it",
            (),
        ),
        (
            GLIBC,
            MINIMAL_MODULE,
            ("-Wl,-rpath,/opt/lib",),
            "rpath",
            "RUNPATH entry '/opt/lib' is not relative to $ORIGIN",
            (),
        ),
        (
            GLIBC,
            MINIMAL_MODULE,
            ("-Wl,-rpath,$ORIGIN/../../lib",),
            "rpath",
            "RUNPATH entry '$ORIGIN/../../lib' leads out of the wheel",
            (),
        ),
        (
            MUSL,
            "#include <stdlib.h>\n" + MINIMAL_MODULE + "int f(void) { return rand(); }",
            (),
            "libraries",
            "needs libc.so, which is not in the wheel and not on every manylinux2014_x86_64 system",
            (),
        ),
    ],
)
def test_a_module_that_does_not_fit_its_wheel_is_a_finding(
    repaired: Callable[[str], Path],
    compile_shared: Callable[..., bytes],
    tmp_path: Path,
    tag: str,
    source: str,
    flags: tuple[str, ...],
    check: str,
    message: str,
    evidence: tuple[str, ...],
) -> None:
    module = compile_shared(tag, source, *flags)

    report = audit_wheel(replace_file(repaired(GLIBC), tmp_path, MODULE_PATH, module))

    findings = [finding for finding in report.findings if finding.check == check]
    assert findings == [Finding(check=check, file=MODULE_PATH, message=message, evidence=evidence)]


def change_with_patchelf(wheel: Path, tools: Tools, folder: Path, *arguments: str) -> Path:
    file = folder / "module.so"
    file.write_bytes(read_wheel(wheel).files[MODULE_PATH].data)
    subprocess.run([str(tools.patchelf), *arguments, str(file)], check=True)
    return replace_file(wheel, folder / "changed", MODULE_PATH, file.read_bytes())


def test_an_executable_stack_is_a_finding(repaired: Callable[[str], Path], tools: Tools, tmp_path: Path) -> None:
    report = audit_wheel(change_with_patchelf(repaired(GLIBC), tools, tmp_path, "--set-execstack"))

    assert list_problems(report) == [
        ("stack", MODULE_PATH, "requires an executable stack (PT_GNU_STACK has the flag X)")
    ]


def test_an_absolute_rpath_is_a_finding(repaired: Callable[[str], Path], tools: Tools, tmp_path: Path) -> None:
    rpath = "$ORIGIN/../demo_pack.libs:/usr/local/lib"

    report = audit_wheel(change_with_patchelf(repaired(GLIBC), tools, tmp_path, "--force-rpath", "--set-rpath", rpath))

    assert list_problems(report) == [("rpath", MODULE_PATH, "RPATH entry '/usr/local/lib' is not relative to $ORIGIN")]


def test_a_library_outside_the_rpath_is_a_finding(
    repaired: Callable[[str], Path], tools: Tools, tmp_path: Path
) -> None:
    wheel = read_wheel(repaired(GLIBC))
    outer = next(path for path in wheel.files if "libouter" in path)

    report = audit_wheel(change_with_patchelf(repaired(GLIBC), tools, tmp_path, "--remove-rpath"))

    message = f"needs {outer.rsplit('/', 1)[1]}, which is in the wheel, but not in a directory on its RPATH"
    assert ("libraries", MODULE_PATH, message) in list_problems(report)


def test_debug_data_is_a_finding(
    repaired: Callable[[str], Path], compile_shared: Callable[..., bytes], tmp_path: Path
) -> None:
    module = compile_shared(GLIBC, MINIMAL_MODULE, strip=False)

    report = audit_wheel(replace_file(repaired(GLIBC), tmp_path, MODULE_PATH, module))

    (finding,) = [finding for finding in report.findings if finding.check == "debug"]
    assert finding.message.endswith(" bytes of debug data")
    assert ".debug_info" in finding.evidence


def test_text_relocations_are_a_finding(
    repaired: Callable[[str], Path], compile_shared: Callable[..., bytes], tmp_path: Path
) -> None:
    source = MINIMAL_MODULE + '__asm__(".text\\n.globl relocated\\nrelocated: .quad PyModule_Create2\\n");'
    module = compile_shared(GLIBC, source, "-Wl,-z,notext")

    report = audit_wheel(replace_file(repaired(GLIBC), tmp_path, MODULE_PATH, module))

    assert ("textrel", MODULE_PATH, "has text relocations: its code was not built with -fPIC") in list_problems(report)


def test_segments_for_small_pages_are_a_finding(
    repaired: Callable[[str], Path], compile_shared: Callable[..., bytes], tmp_path: Path
) -> None:
    module = compile_shared(ARM, MINIMAL_MODULE, "-Wl,-z,max-page-size=4096")

    report = audit_wheel(replace_file(repaired(ARM), tmp_path, MODULE_PATH, module))

    message = "segments are aligned to 4096 bytes; kernels of this architecture may use 65536-byte pages"
    assert ("pages", MODULE_PATH, message) in list_problems(report)


def test_a_glibc_module_in_a_musl_wheel_is_a_finding(
    repaired: Callable[[str], Path], compile_shared: Callable[..., bytes], tmp_path: Path
) -> None:
    module = compile_shared(GLIBC, MINIMAL_MODULE + "int rand(void); int f(void) { return rand(); }")

    report = audit_wheel(replace_file(repaired(MUSL), tmp_path, MODULE_PATH, module))

    problems = list_problems(report)
    version = "needs GLIBC_2.2.5 of libc.so.6, but musllinux_1_2_x86_64 promises musl 1.2"
    library = "needs libc.so.6, which is not in the wheel and not on every musllinux_1_2_x86_64 system"
    assert ("symbols", MODULE_PATH, version) in problems
    assert ("libraries", MODULE_PATH, library) in problems


def test_a_musl_module_that_requires_libc_so_is_a_finding(
    repaired: Callable[[str], Path], compile_shared: Callable[..., bytes], tmp_path: Path
) -> None:
    module = compile_shared(MUSL, MINIMAL_MODULE + "int rand(void); int f(void) { return rand(); }")

    report = audit_wheel(replace_file(repaired(MUSL), tmp_path, MODULE_PATH, module))

    message = "needs libc.so; on musllinux_1_2_x86_64 systems its name is libc.musl-x86_64.so.1"
    assert ("libraries", MODULE_PATH, message) in list_problems(report)


def test_a_truncated_module_is_a_finding(repaired: Callable[[str], Path], tmp_path: Path) -> None:
    data = read_wheel(repaired(GLIBC)).files[MODULE_PATH].data

    report = audit_wheel(replace_file(repaired(GLIBC), tmp_path, MODULE_PATH, data[: len(data) // 2]))

    (finding,) = [finding for finding in report.findings if finding.check == "elf"]
    assert finding.file == MODULE_PATH
    assert re.fullmatch(rf"truncated: {len(data) // 2} of \d+ bytes", finding.message)
