"""Debug files: they fit the wheels, which keep their bytes, and name no directory of the machine that built them."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from everywheel.debug_symbols.elf_debug_file import read_build_id
from everywheel.store.local import default_store
from fixture_project import FixtureProject

TARGETS = ("--target", "manylinux2014_x86_64", "--target", "musllinux_1_2_aarch64")


def hash_files(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def list_build_ids(wheel: Path) -> dict[str, str]:
    """Return the names of a wheel's compiled files by build id."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".so" in name]
        return {read_build_id(archive.read(name)): name for name in names}


def list_lines(data: bytes) -> dict[int, int]:
    """Return the first address of each line of fixture.c in a debug file."""
    dwarf = ELFFile(io.BytesIO(data)).get_dwarf_info()
    lines: dict[int, int] = {}
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        assert program is not None
        files = program["file_entry"]
        for entry in program.get_entries():
            state = entry.state
            if state is not None and not state.end_sequence and files[state.file - 1].name == b"fixture.c":
                lines.setdefault(state.line, state.address)
    return lines


def test_debug_files_fit_wheels_that_keep_their_bytes(project_copy: FixtureProject, tmp_path: Path) -> None:
    """The wheels of the copy were built without debug data; those of the second store with it."""
    project = project_copy
    before = project.wheels()

    report = json.loads(project.run("build", "--json", *TARGETS, "--debug-symbols")[0])
    listed = {path for wheel in report["wheels"] for path in wheel["debug"]}
    assert listed == {str(path) for path in (project.root / "wheelhouse" / "debug").rglob("*.debug")}
    assert [len(wheel["debug"]) for wheel in report["wheels"]] == [2, 2]
    files = hash_files(project.root / "wheelhouse" / "debug")
    wheels = [project.find_wheel(tag) for tag in TARGETS[1::2]]
    for wheel in wheels:
        check_debug_files(project, wheel)
    if shutil.which("gdb"):
        check_with_gdb(wheels[0], project.root / "wheelhouse" / "debug", tmp_path / "unpacked")
    shutil.rmtree(project.root / "wheelhouse")
    project.new_store("another store")
    project.build(*TARGETS, "--debug-symbols")

    assert len(files) == 4
    assert hash_files(project.root / "wheelhouse" / "debug") == files
    assert project.wheels() == {wheel.name: before[wheel.name] for wheel in wheels}


def change_code(project: FixtureProject, condition: str) -> None:
    """Change the module's code when a condition of Meson about the compiler's `flags` is met."""
    meson = "extension/meson.build"
    project.replace(meson, "python = ", "flags = get_option('c_args')\npython = ")
    project.replace(meson, "  limited_api", f"  c_args: '-DOTHER=' + ({condition} ? '1' : '0'),\n  limited_api")
    project.replace("extension/src/fixture.c", "abs(foo_answer())", "OTHER + abs(foo_answer())")


def test_code_that_changes_with_variables_has_debug_data_of_lines(project_copy: FixtureProject) -> None:
    project = project_copy
    change_code(project, "flags.contains('-g')")

    _, errors = project.run("build", *TARGETS[:2], "--debug-symbols")
    wheel = project.find_wheel(TARGETS[1])
    (build_id,) = [id for id, name in list_build_ids(wheel).items() if name == "fixture.abi3.so"]
    data = (wheel.parent / "debug" / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug").read_bytes()
    units = list(ELFFile(io.BytesIO(data)).get_dwarf_info().iter_CUs())

    assert (
        "note: the debug data of fixture.abi3.so has lines, but no variables: "
        "with those, the compiler makes other code of it, or of a library that it names\n" in errors
    )
    assert "the debug data of fixture.libs/" not in errors
    assert 5 in list_lines(data)
    assert [die for unit in units for die in unit.iter_DIEs() if die.tag == "DW_TAG_base_type"] == []


def test_code_that_changes_with_all_debug_data_is_an_error(project_copy: FixtureProject) -> None:
    project = project_copy
    change_code(project, "not flags.contains('-g0')")

    _, errors = project.run("build", *TARGETS[:2], "--debug-symbols", exit_code=1)
    (build_id,) = [id for id, name in list_build_ids(project.find_wheel(TARGETS[1])).items() if "abi3" in name]

    assert errors.endswith(
        f"error: {project.find_wheel(TARGETS[1]).name}: fixture.abi3.so has other code when it is built with debug data\n"
        f"  build id: {build_id}\n"
        "  hint: the build depends on flags of the compiler, or changes from build to build: `nox -s reproduce` shows which\n"
    )
    assert not list((project.root / "wheelhouse" / "debug").rglob("*.debug"))


def check_debug_files(project: FixtureProject, wheel: Path) -> None:
    """Check the debug file of each compiled file of a wheel: code without content, lines, symbols, no path of the machine."""
    ids = list_build_ids(wheel)
    assert len(ids) == 2
    for build_id, name in ids.items():
        data = (wheel.parent / "debug" / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug").read_bytes()
        assert read_build_id(data) == build_id
        machine = (project.store, project.store.resolve(), project.root, default_store().resolve())
        assert [path for path in machine if str(path).encode() in data] == []
        elf = ELFFile(io.BytesIO(data))
        text = elf.get_section_by_name(".text")
        assert text["sh_type"] == "SHT_NOBITS"
        symbols = {symbol.name: symbol["st_value"] for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
        if name.startswith("fixture.abi3"):
            assert text["sh_addr"] <= symbols["answer"] < text["sh_addr"] + text["sh_size"]
            assert list_lines(data)[5] == symbols["answer"]
            assert b"/everywheel/fixture-1.0" in data


def check_with_gdb(wheel: Path, folder: Path, scratch: Path) -> None:
    """Check that a debugger finds the debug file of an unpacked module by its build id."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(scratch)
    commands = [f"set debug-file-directory {folder}", f"file {scratch / 'fixture.abi3.so'}", "info line answer"]
    args = ["gdb", "-nx", "-batch", *(arg for command in commands for arg in ("-ex", command))]
    output = subprocess.run(args, capture_output=True, text=True, check=True).stdout
    assert 'Line 5 of "../source/src/fixture.c" starts at address' in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "native"), "error: --debug-symbols needs the zig engine, not native\n"),
        (("--shard", "1/2"), "error: --debug-symbols builds on this machine\n"),
    ],
)
def test_other_engines_and_machines_have_no_debug_files(
    project: FixtureProject, options: tuple[str, str], message: str
) -> None:
    _, errors = project.run("build", *options, "--debug-symbols", exit_code=2)

    assert errors.startswith(message)
    assert not (project.root / "wheelhouse").exists()
