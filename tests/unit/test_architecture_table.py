"""The table of CPU architectures: a new row is enough to add one, and no other module has facts about architectures."""

from __future__ import annotations

import ast
import struct
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pefile
import pytest
from auditwheel.architecture import Architecture
from elftools.elf.enums import ENUM_E_MACHINE
from everywheel.audit.elf_linking import check_elf_arch
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import read_elf
from everywheel.config.recipe import Linkage, ResolvedRecipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.recipe_resolver import resolve_recipe
from everywheel.containers.catalog import SmokeImage
from everywheel.containers.qemu import check_emulation
from everywheel.containers.runtime_images import image_platform
from everywheel.errors import BuildError, MachineError, UsageError
from everywheel.libraries.products import check_products
from everywheel.platforms.architectures import ARCHES, Arch, find_machine_arch, make_arch_table
from everywheel.platforms.linux_policy import load_policy
from everywheel.platforms.tags import Floor, list_compatible_tags
from everywheel.platforms.target import Target, parse_target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.toolchains.zig import ZigEngine
from everywheel.wheels.wheel import Wheel

PACKAGE = Path(__file__).parents[2] / "builder" / "everywheel"
TABLE = "platforms/architectures.py"
LOONGARCH = Arch(
    name="loongarch64",
    zig="loongarch64",
    gnu_cpu="loongarch64",
    meson_family="loongarch64",
    elf_machine="EM_LOONGARCH",
    page_size=16384,
    stack_is_executable=False,
    lowest_glibc=(2, 36),
    debian="loong64",
    glibc_loader="/lib64/ld-linux-loongarch-lp64d.so.1",
    musl_loader="loongarch64",
    musl_library="loongarch64",
    oci="loong64",
    qemu="loongarch64",
)
EXTENDED_TABLE = make_arch_table(*ARCHES.values(), LOONGARCH)
GLIBC = parse_target("manylinux_2_38_loongarch64", EXTENDED_TABLE)
MUSL = parse_target("musllinux_1_2_loongarch64", EXTENDED_TABLE)
RECIPE = """
name = "libfoo"
version = "1.0"
summary = "Foo"
license = { spdx = "MIT", files = ["LICENSE"] }
source = { urls = ["https://example.org/foo-1.0.tar"], sha256 = "%s" }
build = { system = "meson" }
products = { libraries = ["foo"] }
""" % ("0" * 64)


def make_elf(machine: str) -> bytes:
    """Return the 64-bit little-endian header of an object file for a machine."""
    numbers = (1, ENUM_E_MACHINE[machine], 1, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0)
    return b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", *numbers)


def make_archive(member: bytes) -> bytes:
    return b"!<arch>\n" + b"foo.o/".ljust(48) + str(len(member)).encode().ljust(10) + b"`\n" + member


def resolve(target: Target, folder: Path) -> ResolvedRecipe:
    (folder / "libfoo").mkdir()
    (folder / "libfoo" / "recipe.toml").write_text(RECIPE)
    return resolve_recipe(load_recipe(folder / "libfoo" / "recipe.toml"), target, linkage=Linkage.STATIC)


def test_targets_of_a_new_architecture_are_parsed() -> None:
    assert (GLIBC.tag, GLIBC.wheel_tag, MUSL.tag) == (
        "manylinux_2_38_loongarch64",
        "manylinux_2_38_loongarch64",
        "musllinux_1_2_loongarch64",
    )
    assert GLIBC.facts == {"os": "linux", "libc": "glibc", "arch": "loongarch64", "endian": "little"}
    with pytest.raises(UsageError, match="is not supported"):
        parse_target("musllinux_1_2_loongarch64")


def test_a_new_architecture_has_its_own_lowest_floor() -> None:
    with pytest.raises(UsageError) as caught:
        parse_target("manylinux2014_loongarch64", EXTENDED_TABLE)

    assert caught.value.hint == "use manylinux_2_36_loongarch64 or newer"


def test_a_new_architecture_has_toolchains(tmp_path: Path) -> None:
    unused = Path("unused")
    tools = Tools(bin=unused, python=unused, zig=unused, cmake=unused, ninja=unused, pkgconf=unused, patchelf=unused)
    engine = ZigEngine(store=Store(tmp_path / "store"), tools=tools, cache=tmp_path)

    compilers = [engine.compilers(target).c for target in (GLIBC, MUSL)]
    toolchain = write_toolchain(GLIBC, engine.compilers(GLIBC), tools, tmp_path / "workspace")

    assert [command[command.index("-target") + 1] for command in compilers] == [
        "loongarch64-linux-gnu.2.38",
        "loongarch64-linux-musl",
    ]
    assert "cpu_family = 'loongarch64'\n" in toolchain.cross_file.read_text()
    assert "set(CMAKE_SYSTEM_PROCESSOR loongarch64)\n" in toolchain.cmake_file.read_text()


def test_a_new_architecture_has_the_names_that_python_and_pip_use() -> None:
    assert GLIBC.extension_suffix == "loongarch64-linux-gnu"
    assert GLIBC.python_platform == "linux-loongarch64"
    assert list_compatible_tags(Floor(libc="musl", version=(1, 2)), GLIBC.arch.name)[0] == MUSL.tag
    assert find_machine_arch("loongarch64", EXTENDED_TABLE) == LOONGARCH


def test_the_audit_has_policies_for_a_new_architecture() -> None:
    glibc, musl = load_policy(GLIBC.tag, EXTENDED_TABLE), load_policy(MUSL.tag, EXTENDED_TABLE)
    assert glibc is not None
    assert musl is not None
    elves = {name: read_elf(make_elf(name)) for name in ("EM_LOONGARCH", "EM_RISCV")}
    wheel = Wheel(name="demo", version="1", build="", python="py3", abi="none", platform=GLIBC.tag, files={})

    contents = WheelContents(path=Path(wheel.filename), wheel=wheel, elves=elves, arches=EXTENDED_TABLE)
    findings = list(check_elf_arch(contents))

    assert (glibc.allows("GLIBC_2.38"), glibc.allows("GLIBC_2.39")) == (True, False)
    assert glibc.provides("ld-linux-loongarch-lp64d.so.1")
    assert musl.musl_library == "libc.musl-loongarch64.so.1"
    assert [finding.file for finding in findings] == ["EM_RISCV"]


@pytest.mark.parametrize(("machine", "is_valid"), [("EM_LOONGARCH", True), ("EM_RISCV", False)])
def test_products_for_another_architecture_than_the_new_one_are_an_error(
    tmp_path: Path, machine: str, is_valid: bool
) -> None:
    prefix, resolved = tmp_path / "prefix", resolve(GLIBC, tmp_path)
    (prefix / "lib").mkdir(parents=True)
    (prefix / "lib" / "libfoo.a").write_bytes(make_archive(make_elf(machine)))

    if is_valid:
        check_products(prefix, resolved, ())
    else:
        with pytest.raises(BuildError) as caught:
            check_products(prefix, resolved, ())
        assert "EM_RISCV" in str(caught.value.details)
        assert "loongarch64" in str(caught.value.details)


def test_images_and_emulators_support_a_new_architecture(tmp_path: Path) -> None:
    image = SmokeImage(
        name="demo", libc="glibc", libc_version=(2, 40), arches=("x86_64", "loongarch64"), digests={}, cpu={}
    )
    (tmp_path / "register").touch()

    assert image_platform(LOONGARCH) == ("loong64", "")
    assert image.is_claimed_by(GLIBC)
    assert not image.is_claimed_by(MUSL)
    with pytest.raises(MachineError) as caught:
        check_emulation(LOONGARCH, tmp_path)
    assert "update-binfmts --enable qemu-loongarch64" in str(caught.value.hint)
    (tmp_path / "qemu-loongarch64").write_text("enabled\nflags: POCF\n")
    check_emulation(LOONGARCH, tmp_path)


@pytest.mark.parametrize("arch", ARCHES.values(), ids=ARCHES)
def test_the_names_of_every_architecture_are_those_of_the_tools(arch: Arch) -> None:
    assert arch.elf_machine in ENUM_E_MACHINE
    assert Architecture(arch.name).baseline.value == arch.name
    if arch.windows is not None:
        assert pefile.MACHINE_TYPE[arch.windows.pe_machine] == arch.windows.coff_machine


def list_names() -> frozenset[str]:
    """Return every name that the table has for an architecture."""
    skipped = ("endian", "glibc", "musl", "qemu_cpu", "github_runner")
    names: set[str] = set()
    for arch in ARCHES.values():
        parts = [part for part in (arch, arch.macos, arch.windows) if part is not None]
        values = [getattr(part, field.name) for part in parts for field in fields(part) if field.name not in skipped]
        names.update(value for value in values if isinstance(value, str))
        names.update(item for value in values if isinstance(value, tuple) for item in value if isinstance(item, str))
    return frozenset(names - {""})  # a field without a value has no name


def find_arch_names(path: Path) -> Iterator[str]:
    """Yield each string of a module that is the name of an architecture."""
    names = list_names()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names:
            yield f"{path.relative_to(PACKAGE).as_posix()}: {node.value}"


def test_branches_are_protected_where_the_oldest_system_of_a_target_allows_it() -> None:
    tags = ("manylinux2014_x86_64", "musllinux_1_2_x86_64", "manylinux2014_aarch64", "manylinux_2_28_aarch64")
    tags += ("musllinux_1_2_aarch64", "manylinux2014_i686", "manylinux2014_s390x", "macosx_11_0_arm64", "win_amd64")
    targets = [parse_target(tag) for tag in tags]

    flags = [target.arch.find_branch_flags(target.libc, target.libc_version) for target in targets]

    bti, both = ("-mbranch-protection=bti",), ("-mbranch-protection=standard",)
    assert flags == [("-fcf-protection=full",), (), bti, both, both, (), (), (), ()]


def test_no_other_module_has_facts_about_architectures() -> None:
    lines = {line for path in sorted(PACKAGE.rglob("*.py")) for line in find_arch_names(path)}
    others = {line for line in lines if not line.startswith(f"{TABLE}: ")}

    assert {"x86_64", "s390x"} < {line.removeprefix(f"{TABLE}: ") for line in lines - others}
    assert others == {
        # Code is examined for two architectures, and the oldest releases are named for one.
        "explain/instruction_sets.py: x86_64",
        "explain/instruction_sets.py: amd64",
        "explain/instruction_sets.py: aarch64",
        "explain/instruction_sets.py: arm64",
        "explain/pe_code.py: IMAGE_FILE_MACHINE_AMD64",
        "explain/pe_code.py: IMAGE_FILE_MACHINE_ARM64",
        "explain/messages.py: x86_64",
        "explain/elf_code.py: EM_AARCH64",
        "audit/hygiene.py: x86_64",
        # Relocations at the start, and the notes on branch protection.
        "explain/startup.py: EM_AARCH64",
        "explain/startup.py: EM_X86_64",
        "explain/hardening.py: EM_AARCH64",
        "explain/hardening.py: EM_X86_64",
        # The architectures of macOS in a tag for fat binaries.
        "platforms/tags.py: i386",
        "platforms/tags.py: x86_64",
        "platforms/tags.py: arm64",
        # The architectures of manylinux1 (PEP 513).
        "audit/platform_tags.py: i686",
        "audit/platform_tags.py: x86_64",
        # The tag `win32`.
        "platforms/tags.py: x86",
        # CPUs of Mach-O files that no target has.
        "binaries/macho_images.py: arm",
        "binaries/macho_images.py: ppc64",
        # The build machine of every job, and Meson's name of a machine that it does not know.
        "release/matrix.py: x86_64",
        "wheels/build_details.py: amd64",
    }
