"""Facts of binaries without a fault, one for each format, and wheels of given files; tests change what they are about."""

from __future__ import annotations

from collections.abc import Mapping

from everywheel.binaries.elf import ElfFacts
from everywheel.binaries.elf_protections import Protections
from everywheel.binaries.macho import MachoImage
from everywheel.binaries.pe import PeFacts
from everywheel.wheels.wheel import Wheel, WheelFile

ELF = ElfFacts(
    bits=64,
    endian="little",
    machine="EM_X86_64",
    kind="ET_DYN",
    soname="",
    needed=(),
    rpath=(),
    rpath_is_inherited=True,
    versions=(),
    exports=(),
    undefined=(),
    stack="rw",
    text_relocations=False,
    debug={},
    page=4096,
    protections=Protections(relro=True, bind_now=True),
)
IMAGE = MachoImage(
    cpu="arm64",
    bits=64,
    kind="MH_DYLIB",
    name="",
    needed=("/usr/lib/libSystem.B.dylib",),
    optional=frozenset(),
    rpath=(),
    system="macOS",
    minimum=(11, 0),
    exports=("PyInit__demo",),
    undefined=(),
    debug={},
    signature=(),
)
PE = PeFacts(
    machine="IMAGE_FILE_MACHINE_AMD64",
    bits=64,
    is_library=True,
    imports={"kernel32.dll": ("Sleep",)},
    delayed=frozenset(),
    exports=("PyInit__demo",),
    variables=frozenset(),
    minimum=(6, 0),
    flags=frozenset(("DYNAMIC_BASE", "NX_COMPAT", "HIGH_ENTROPY_VA")),
    debug={},
    pdb="",
)


def make_demo_wheel(tag: str, files: Mapping[str, bytes]) -> Wheel:
    """Return the wheel demo 1.0 with these files; `tag` has Python, ABI and platform (`cp311-abi3-win_amd64`)."""
    python, abi, platform = tag.split("-")
    contents = {path: WheelFile(data=data) for path, data in files.items()}
    return Wheel(name="demo", version="1.0", build="", python=python, abi=abi, platform=platform, files=contents)
