"""The audit of wheels with compiled modules and programs: right ones, and one for each fault that prevents loading."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from everywheel.audit import audit_wheel
from everywheel.execution.process import run_logged
from everywheel.toolchains.build_tools import ensure_tools

INIT = "void *PyModuleDef_Init(void *); void *PyInit__demo(void) { return PyModuleDef_Init(0); }"
REMOVED = "_PyErr_StackItemToExcInfoTuple"
LIBRARY = "int a_new(void) { return 1; }"
CHECKS = ("undefined", "libraries", "rpath", "tags", "arch")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, shared_store: Path) -> Path:
    return compile_files(tmp_path_factory.mktemp("symbols"), str(ensure_tools(shared_store).zig), shared_store / "zig")


def compile_files(folder: Path, zig: str, cache: Path) -> Path:
    """Compile a library, modules with and without faults, and programs."""
    glibc, musl = "x86_64-linux-gnu.2.17", "x86_64-linux-musl"
    shared = ("-shared", "-fPIC")
    sources = {
        "right": f"""
            {INIT}
            int a_new(void);
            __attribute__((weak)) int nowhere_to_be_found(void);
            void *dlopen(const char *, int);
            void *f(void) {{ return a_new() && !&nowhere_to_be_found ? dlopen("libcuda.so.1", 2) : 0; }}
        """,
        "missing": f"""
            {INIT}
            int a_new(void);
            int nowhere_to_be_found(void);
            void *{REMOVED}(void *);
            void *f(void) {{ return a_new() + nowhere_to_be_found() ? {REMOVED}(0) : 0; }}
        """,
        "program": "#include <stdio.h>\nint main(void) { return puts(__func__); }",
        "liba.so": LIBRARY,
    }
    for name, source in sources.items():
        (folder / f"{name}.c").write_text(source)

    def compile_file(output: str, source: str, target: str, *arguments: str) -> None:
        command = [zig, "cc", "-target", target, "-O1", "-s", *arguments, f"{source}.c", "-o", output]
        environment = {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache), "PATH": ""}
        subprocess.run(command, cwd=folder, env=environment, check=True)

    compile_file("liba.so", "liba.so", glibc, *shared, "-Wl,-soname,liba.so")
    compile_file("right", "right", glibc, *shared, "liba.so", "-Wl,-rpath,$ORIGIN/../demo.libs")
    compile_file("missing", "missing", glibc, *shared)
    compile_file("program", "program", glibc)
    compile_file("static", "program", musl, "-static")
    return folder


def pack(folder: Path, tag: str, files: Mapping[str, Path]) -> Path:
    """Write a wheel of these files."""
    python, abi, platform = tag.split("-")
    tags = "".join(f"Tag: {python}-{abi}-{name}\n" for name in platform.split("."))
    contents = {
        **{path: file.read_bytes() for path, file in files.items()},
        "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n",
        "demo-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n{tags}".encode(),
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},{len(data)}\n"
        for path, data in contents.items()
    )
    contents["demo-1.0.dist-info/RECORD"] = f"{record}demo-1.0.dist-info/RECORD,,\n".encode()
    wheel = folder / f"demo-1.0-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in contents.items():
            archive.writestr(path, data)
    return wheel


UNDEFINED = ("a_new (in demo.libs/liba.so, which is not loaded with this file)", "nowhere_to_be_found")


@pytest.mark.parametrize(
    ("name", "path", "python", "findings"),
    [
        ("right", "demo/_demo.cpython-312-x86_64-linux-gnu.so", "cp312", []),
        ("missing", "demo/_demo.so", "cp312", [("undefined", UNDEFINED)]),
        ("missing", "demo/_demo.so", "cp313", [("undefined", (REMOVED, *UNDEFINED))]),
        ("right", "_demo.so", "cp312", [("libraries", ("demo.libs/liba.so",)), ("rpath", ())]),
        ("right", "demo/_demo.cpython-312-aarch64-linux-gnu.so", "cp312", [("tags", ("expected: x86_64-linux-gnu",))]),
    ],
)
def test_a_compiled_module_that_cannot_be_loaded_has_a_finding(
    name: str, path: str, python: str, findings: list[tuple[str, tuple[str, ...]]], compiled: Path, tmp_path: Path
) -> None:
    files = {path: compiled / name, "demo.libs/liba.so": compiled / "liba.so"}

    report = audit_wheel(pack(tmp_path, f"{python}-{python}-manylinux2014_x86_64", files))

    assert sorted((f.check, f.evidence) for f in report.findings if f.check in CHECKS) == sorted(findings)
    assert ("libcuda.so.1" in {check.check: check.message for check in report.checks}["dlopen"]) is (name == "right")


@pytest.mark.parametrize(("name", "findings"), [("static", 0), ("program", 2)])
def test_a_program_is_checked_against_each_tag(name: str, findings: int, compiled: Path, tmp_path: Path) -> None:
    """The program for glibc finds neither its loader nor libc.so.6 on systems with musl."""
    tag = "py3-none-manylinux2014_x86_64.musllinux_1_2_x86_64"

    report = audit_wheel(pack(tmp_path, tag, {"demo-1.0.data/scripts/demo": compiled / name}))

    assert [finding.check for finding in report.findings if finding.check in CHECKS] == ["libraries"] * findings
    assert [file.kind for file in report.files] == ["program"]


@pytest.mark.parametrize(
    ("name", "python", "finding"),
    [
        ("right", "cp311", ""),
        ("right", "cp34", "needs Python 3.5, but the wheel is tagged for 3.4"),
        ("missing", "cp311", "uses symbols that are not in the stable ABI"),
    ],
)
def test_abi3audit_is_started_for_modules_with_symbols_that_abi3info_does_not_list(
    name: str, python: str, finding: str, compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def run(command: Sequence[str | Path], **options: Any) -> str:
        started.append(options["label"])
        return run_logged(command, **options)

    monkeypatch.setattr("everywheel.audit.abi3.run_logged", run)
    files = {"demo/_demo.abi3.so": compiled / name, "demo.libs/liba.so": compiled / "liba.so"}

    report = audit_wheel(pack(tmp_path, f"{python}-abi3-manylinux2014_x86_64", files))

    assert [f.message for f in report.findings if f.check == "abi3"] == [finding] * bool(finding)
    assert len(started) == bool(finding)
