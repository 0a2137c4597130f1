"""Processor architectures: a table with one row for each, which contains all facts about the architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from everywheel.platforms.system_arches import MacosArch, WindowsArch


@dataclass(frozen=True, slots=True, kw_only=True)
class Arch:
    """A processor architecture under the names that each tool has for it.

    Attributes:
        name: the architecture in platform tags of Linux.
        machines: other values of `platform.machine()` (`uname -m`) that mean this architecture.
        also_runs_on: architectures whose processors and kernels run its programs without an emulator.
        zig: the architecture in zig's target triples.
        glibc, musl: the ABI in zig's target triples, for each libc.
        zig_flags: flags that zig's compilers need in addition to the triple.
        branch_flags: flags of zig's compilers that protect indirect branches and return addresses on Linux, each with a libc
            and its lowest version; the last one that a target reaches counts.
        config_cpu: the CPU in the triplets of configure scripts (GNU config.sub), if it is not `zig`.
        gnu_cpu: the CPU in the file names of extension modules, as in `cpython-311-i386-linux-gnu.so`.
        meson_family: the CPU family of Meson's machine files.
        elf_machine: e_machine of ELF files as pyelftools spells it.
        bits, endian: the size of an address, and `little` or `big`.
        long_double: of C's `long double` on Linux, the bits of its mantissa (LDBL_MANT_DIG) and its size in bytes.
        page_size: the size in bytes of the largest page that kernels of the architecture use.
        stack_is_executable: whether a file without a PT_GNU_STACK header gets an executable stack.
        lowest_glibc: the oldest glibc that zig has stub libraries for and that a policy exists for.
        debian: Debian's name of the architecture.
        convention_mask, other_conventions: the bits of e_flags in ELF files for the calling convention, and the values of
            them that mean another one than that of the platform tags.
        glibc_loader: the path of glibc's loader, which programs name.
        musl_loader: the name in the path of musl's loader, `ld-musl-<name>.so.1`.
        musl_library: the name in the soname of musl's libc on Alpine, `libc.musl-<name>.so.1`.
        oci: architecture and variant of container images (`GOARCH`, with `/` and the variant where there is one).
        node: the value of `process.arch` in Node.js, which npm packages name, if it is not `debian`.
        qemu: the name in QEMU's user-mode programs, `qemu-<name>-static`.
        qemu_cpu: the value of QEMU_CPU with which programs run fastest; empty for QEMU's default.
        github_runner: the runner of GitHub Actions that runs its programs on Linux; empty if QEMU is required.
        macos, windows: facts about the architecture on these systems, or None if the system does not support it.
    """

    name: str
    machines: tuple[str, ...] = ()
    also_runs_on: tuple[str, ...] = ()
    zig: str
    zig_flags: tuple[str, ...] = ()
    branch_flags: tuple[tuple[str, tuple[int, int], str], ...] = ()
    config_cpu: str = ""
    glibc: str = "gnu"
    musl: str = "musl"
    gnu_cpu: str
    meson_family: str
    elf_machine: str
    bits: int = 64
    endian: str = "little"
    long_double: tuple[int, int] = (113, 16)
    page_size: int = 4096
    stack_is_executable: bool = True
    lowest_glibc: tuple[int, int] = (2, 17)
    debian: str
    convention_mask: int = 0
    other_conventions: tuple[tuple[int, str], ...] = ()
    glibc_loader: str
    musl_loader: str
    musl_library: str
    oci: str
    node: str = ""
    qemu: str
    qemu_cpu: str = ""
    github_runner: str = ""
    macos: MacosArch | None = None
    windows: WindowsArch | None = None

    @property
    def is_x86(self) -> bool:
        """True for the processors whose instructions are selected by flags such as `-mavx2`."""
        return self.meson_family.startswith("x86")

    def find_branch_flags(self, libc: str, version: tuple[int, int]) -> tuple[str, ...]:
        """Return the flags that protect branches in code for a libc; empty for other systems than Linux."""
        flags = [flag for name, lowest, flag in self.branch_flags if libc == name and version >= lowest]
        return tuple(flags[-1:])

    def abi(self, libc: str) -> str:
        """Return the ABI in zig's target triples and in the file names of extension modules."""
        return self.glibc if libc == "glibc" else self.musl


ArchTable = Mapping[str, Arch]


def make_arch_table(*rows: Arch) -> ArchTable:
    """Return a table of architectures by their names in platform tags of Linux."""
    return MappingProxyType({row.name: row for row in rows})


ARCHES = make_arch_table(
    Arch(
        name="x86_64",
        machines=("amd64", "x64"),
        zig="x86_64",
        # Only glibc's loader enables shadow stacks.
        branch_flags=(("glibc", (2, 17), "-fcf-protection=full"),),
        gnu_cpu="x86_64",
        meson_family="x86_64",
        elf_machine="EM_X86_64",
        long_double=(64, 16),
        debian="amd64",
        glibc_loader="/lib64/ld-linux-x86-64.so.2",
        musl_loader="x86_64",
        musl_library="x86_64",
        oci="amd64",
        node="x64",
        qemu="x86_64",
        github_runner="ubuntu-24.04",
        macos=MacosArch(
            name="x86_64", cpu_type=0x01000007, lowest=(10, 15), long_double=(64, 16), github_runner="macos-15-intel"
        ),
        windows=WindowsArch(
            name="amd64",
            coff_machine=0x8664,
            pe_machine="IMAGE_FILE_MACHINE_AMD64",
            python_dlls=frozenset(("vcruntime140.dll", "vcruntime140_1.dll")),
            runs_under_wine=True,
            long_double=(64, 16),
            github_runner="windows-2025",
        ),
    ),
    Arch(
        name="aarch64",
        machines=("arm64",),
        zig="aarch64",
        # Programs that unwind the stack misread signed return addresses before GCC 7, which systems with an older glibc have.
        branch_flags=(
            ("glibc", (2, 17), "-mbranch-protection=bti"),
            ("glibc", (2, 26), "-mbranch-protection=standard"),
            ("musl", (1, 2), "-mbranch-protection=standard"),
        ),
        gnu_cpu="aarch64",
        meson_family="aarch64",
        elf_machine="EM_AARCH64",
        page_size=65536,
        stack_is_executable=False,
        debian="arm64",
        glibc_loader="/lib/ld-linux-aarch64.so.1",
        musl_loader="aarch64",
        musl_library="aarch64",
        oci="arm64",
        qemu="aarch64",
        # Newer distributions sign every return address (pointer authentication). Emulating the cipher of the architecture
        # makes QEMU several times slower: https://github.com/ClangBuiltLinux/boot-utils/pull/62
        qemu_cpu="max,pauth=off",
        github_runner="ubuntu-24.04-arm",
        macos=MacosArch(
            name="arm64",
            cpu_type=0x0100000C,
            first=(11, 0),
            lowest=(11, 0),
            needs_signature=True,
            variants=((2, "arm64e"),),
            github_runner="macos-15",
        ),
        windows=WindowsArch(
            name="arm64",
            coff_machine=0xAA64,
            pe_machine="IMAGE_FILE_MACHINE_ARM64",
            python_dlls=frozenset(("vcruntime140.dll", "vcruntime140_1.dll")),
            github_runner="windows-11-arm",
            runner_has_mingw=False,
        ),
    ),
    Arch(
        name="i686",
        also_runs_on=("x86_64",),
        zig="x86",
        config_cpu="i686",
        gnu_cpu="i386",
        meson_family="x86",
        elf_machine="EM_386",
        bits=32,
        long_double=(64, 12),
        debian="i386",
        glibc_loader="/lib/ld-linux.so.2",
        musl_loader="i386",
        musl_library="x86",
        oci="386",
        node="ia32",
        qemu="i386",
        github_runner="ubuntu-24.04",
        macos=MacosArch(name="i386", cpu_type=0x7, long_double=(64, 16)),
        windows=WindowsArch(
            name="x86",
            coff_machine=0x14C,
            pe_machine="IMAGE_FILE_MACHINE_I386",
            python_dlls=frozenset(("vcruntime140.dll",)),
            is_target=False,
            long_double=(64, 12),
        ),
    ),
    Arch(
        name="armv7l",
        machines=("armv8l",),
        zig="arm",
        config_cpu="armv7l",
        glibc="gnueabihf",
        musl="musleabihf",
        gnu_cpu="arm",
        meson_family="arm",
        elf_machine="EM_ARM",
        bits=32,
        long_double=(53, 8),
        debian="armhf",
        convention_mask=0x600,
        other_conventions=((0x200, "soft floating point"),),
        glibc_loader="/lib/ld-linux-armhf.so.3",
        musl_loader="armhf",
        musl_library="armv7",
        oci="arm/v7",
        node="arm",
        qemu="arm",
    ),
    Arch(
        name="ppc64le",
        zig="powerpc64le",
        # Programs with a wider long double cannot be linked: the IEEE format requires functions of glibc 2.32, the IBM
        # format requires functions that zig does not have.
        zig_flags=("-mlong-double-64",),
        gnu_cpu="powerpc64le",
        meson_family="ppc64",
        elf_machine="EM_PPC64",
        long_double=(53, 8),
        page_size=65536,
        lowest_glibc=(2, 19),
        debian="ppc64el",
        convention_mask=0x3,
        other_conventions=((0x1, "the ABI ELFv1"),),
        glibc_loader="/lib64/ld64.so.2",
        musl_loader="powerpc64le",
        musl_library="ppc64le",
        oci="ppc64le",
        node="ppc64",
        qemu="ppc64le",
    ),
    Arch(
        name="s390x",
        zig="s390x",
        gnu_cpu="s390x",
        meson_family="s390x",
        elf_machine="EM_S390",
        endian="big",
        debian="s390x",
        glibc_loader="/lib/ld64.so.1",
        musl_loader="s390x",
        musl_library="s390x",
        oci="s390x",
        qemu="s390x",
    ),
    Arch(
        name="riscv64",
        zig="riscv64",
        gnu_cpu="riscv64",
        meson_family="riscv64",
        elf_machine="EM_RISCV",
        stack_is_executable=False,
        lowest_glibc=(2, 31),
        debian="riscv64",
        convention_mask=0x6,
        other_conventions=((0x0, "soft floating point"), (0x2, "single-precision floating point")),
        glibc_loader="/lib/ld-linux-riscv64-lp64d.so.1",
        musl_loader="riscv64",
        musl_library="riscv64",
        oci="riscv64",
        qemu="riscv64",
    ),
)


def find_macos_arch(cpu: str, arches: ArchTable = ARCHES) -> MacosArch | None:
    """Return the facts about an architecture by its name in the output of lipo, or None for an unknown name."""
    candidates = (arch.macos for arch in arches.values() if arch.macos is not None)
    return next((macos for macos in candidates if cpu == macos.name or cpu in dict(macos.variants).values()), None)


def find_windows_arch(name: str, arches: ArchTable = ARCHES) -> WindowsArch | None:
    """Return the facts about an architecture by its name in platform tags of Windows, or None for an unknown name."""
    candidates = (arch.windows for arch in arches.values() if arch.windows is not None)
    return next((windows for windows in candidates if windows.name == name), None)


def find_machine_arch(machine: str, arches: ArchTable = ARCHES) -> Arch | None:
    """Return the architecture for a value of `platform.machine()` (case-insensitive), or None for an unknown value."""
    lower = machine.lower()
    return next((arch for arch in arches.values() if lower == arch.name or lower in arch.machines), None)
