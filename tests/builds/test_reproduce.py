"""Two builds under unlike circumstances: equal bytes are reported, and a circumstance that gets into a wheel is noticed."""

from __future__ import annotations

import os
import subprocess
import sys

from fixture_project import ROOT, FixtureProject

SCRIPT = ROOT / ".ci" / "reproduce.py"
# A checksum of the build's folder becomes a part of the extension for one of the targets.
FOLDER_SUM = """  c_args: host_machine.cpu_family() == 'aarch64' ? ['-DSUM="' + sum + '"'] : [],
  gnu_symbol_visibility"""
# Of a fixed length, so that no other section moves.
READ_FOLDER_SUM = (
    "sum = run_command('sh', '-c', 'printf %010d $(pwd | cksum | cut -d \" \" -f 1)', check: true).stdout().strip()\n"
    "python.extension_module("
)


def test_a_wheel_that_depends_on_the_folder_is_found_by_two_builds(project: FixtureProject) -> None:
    project.replace("extension/meson.build", "  gnu_symbol_visibility", FOLDER_SUM)
    project.replace("extension/meson.build", "python.extension_module(", READ_FOLDER_SUM)
    source = project.root / "extension" / "src" / "fixture.c"
    source.write_text(
        f'{source.read_text()}\n#ifdef SUM\n__attribute__((used, retain)) static const char sum[] = "folder " SUM;\n#endif\n'
    )

    result = subprocess.run(
        [sys.executable, SCRIPT, "--share-tools"],
        cwd=project.root,
        env={**os.environ, "EVERYWHEEL_MIRRORS": str(project.mirror)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 5, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert "identical: fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl" in lines
    (difference,) = [line for line in lines if line.startswith("differs: ") and ": sections that differ: " in line]
    assert difference == (
        "differs: fixture-1.0-cp311-abi3-musllinux_1_2_aarch64.whl: fixture.abi3.so: "
        "sections that differ: .rodata, .note.gnu.build-id"
    )
    assert len([line for line in lines if line.startswith("identical: lib")]) == 4
    assert any(line.startswith("not varied: ") and "test_build_machines.py" in line for line in lines)
    assert ", umask 022, PYTHONHASHSEED=0, " in result.stdout
    assert ", TZ=EVW-13:45, umask 077, PYTHONHASHSEED=4242, 1 processors" in result.stdout
