"""Checks of what the loader of Linux requires of a file itself, before it looks for libraries and symbols."""

from __future__ import annotations

from collections.abc import Iterator

from everywheel.audit.elf_image import DT_FLAGS, DT_FLAGS_1, DT_RELR, ElfImage, read_image
from everywheel.audit.elf_search import find_search_paths
from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.binaries.elf import ElfFacts, is_elf
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.platforms.linux_policy import Policy

_LINUX = frozenset((0, 3))  # EI_OSABI: System V, GNU
_GNU_ABIS = 4  # values of EI_ABIVERSION that glibc knows with EI_OSABI 3
_MOST_MEMORY = 1 << 40  # bytes from the first to the last segment
_DF_STATIC_TLS, _DF_1_NOOPEN = 0x10, 0x40
# The bytes that glibc keeps for the static thread-local variables of libraries that are loaded later.
_STATIC_TLS = 1664
# The versions that read DT_RELR; without it, they load the file and do not relocate it.
_RELR_SINCE = {"glibc": (2, 36), "musl": (1, 2)}  # musl 1.2.4; the images of PyPA build wheels for 1.2 with 1.2.5
_LEVELS = {2: "x86-64-v2", 4: "x86-64-v3", 8: "x86-64-v4"}


def check_elf_loading(contents: WheelContents) -> Iterator[Finding]:
    """Find files that the loader refuses or reads otherwise than the section table states."""
    paths = find_search_paths(contents)
    files = {path: contents.wheel.files[path].data for path in contents.elves}
    images: dict[str, ElfImage] = {}
    for path, data in files.items():
        try:
            if is_elf(path, data):
                images[path] = read_image(data)
        except UnreadableElf as error:
            yield Finding(check="elf", file=path, message=str(error))
    for path, image in images.items():
        elf = contents.elves[path]
        if path.endswith(".so") and elf.module_names and not elf.is_library:
            yield Finding(check="elf", file=path, message=f"is not a shared library ({_describe_kind(elf)})")
        if elf.kind not in ("ET_DYN", "ET_EXEC"):
            continue
        for message in _find_format_faults(image, elf):
            yield Finding(check="elf", file=path, message=message)
        for need in elf.versions:
            # A library without any version is accepted, with a warning.
            provider = images.get(paths.find(path, need.library) or "")
            if provider and provider.versions and need.version not in provider.versions:
                message = (
                    f"needs {need.version} of {need.library}, a version that this library in the wheel does not define"
                )
                yield Finding(check="symbols", file=path, message=message)
        for policy in contents.strictest_policies:
            for library in image.filtees:
                if paths.find(path, library) is None and not policy.provides(library):
                    message = (
                        f"needs {library} (DT_FILTER), which is not in the wheel and not on every {policy.tag} system"
                    )
                    yield Finding(check="libraries", file=path, message=message)
            for check, message in _find_policy_faults(image, elf, policy):
                yield Finding(check=check, file=path, message=message)


def _describe_kind(elf: ElfFacts) -> str:
    return "a position-independent program" if elf.kind == "ET_DYN" else elf.kind


def _find_format_faults(image: ElfImage, elf: ElfFacts) -> Iterator[str]:
    osabi, abi_version = image.ident[7], image.ident[8]
    if image.ident[6] != 1 or image.version != "EV_CURRENT":
        yield "the version of the ELF format is not 1"
    if osabi not in _LINUX:
        yield f"is for another operating system (EI_OSABI {osabi})"
    elif abi_version >= (_GNU_ABIS if osabi == 3 else 1):
        yield f"is for another ABI of its operating system (EI_ABIVERSION {abi_version})"
    if not image.loads:
        yield "has no segment to load"
    if any(load["p_align"] & (load["p_align"] - 1) for load in image.loads if load["p_align"]):
        yield "the alignment of a segment is not a power of 2"
    elif any((load["p_vaddr"] - load["p_offset"]) & (load["p_align"] - 1) for load in image.loads if load["p_align"]):
        yield "a segment has another alignment in the file than in memory"
    addresses = [load["p_vaddr"] for load in image.loads]
    if addresses != sorted(addresses):
        yield "the segments are not sorted by address"
    if image.loads and max(load["p_vaddr"] + load["p_memsz"] for load in image.loads) - addresses[0] > _MOST_MEMORY:
        yield "needs more memory than a process can have"
    if image.tags is None and elf.kind == "ET_DYN":
        yield "has no dynamic segment"
    if image.differences:
        yield f"the loader reads other tables than the section table names ({', '.join(image.differences)})"
    if elf.module_names and image.flags(DT_FLAGS_1) & _DF_1_NOOPEN:
        yield "cannot be opened by Python (DF_1_NOOPEN): link without -z nodlopen"


def _find_policy_faults(image: ElfImage, elf: ElfFacts, policy: Policy) -> Iterator[tuple[str, str]]:
    if DT_RELR in (image.tags or {}) and policy.floor < _RELR_SINCE[policy.libc]:
        yield "symbols", f"has relocations (DT_RELR) that the loader does not read, as {policy.promise}"
    limit = _STATIC_TLS if policy.libc == "glibc" else 0
    if elf.is_library and image.flags(DT_FLAGS) & _DF_STATIC_TLS and image.tls > limit:
        yield (
            "elf",
            f"has {image.tls} bytes of static thread-local variables, but the loader of {policy.tag} systems has space for "
            f"{limit}: compile without -ftls-model",
        )
    # glibc compares the level with the processor; the tag only promises the lowest one. Only files for x86 have this note.
    levels = [name for bit, name in _LEVELS.items() if image.isa & bit]
    if levels:
        yield "arch", f"declares that it needs {levels[-1]}, which {policy.tag} does not promise"
