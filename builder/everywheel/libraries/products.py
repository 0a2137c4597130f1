"""Products: what a recipe promised, looked for in what its build installed; and the folder made fit for the store."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Generator, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from everywheel.binaries.elf import MAGIC, ElfFacts, UnreadableElf, read_elf
from everywheel.binaries.macho import MachoImage, UnreadableMacho, read_macho
from everywheel.binaries.pe import UnreadablePe, read_pe
from everywheel.config.recipe import Linkage, ResolvedRecipe
from everywheel.errors import BuildError
from everywheel.toolchains.toolchain import PREFIX

# What nobody builds against. Programs go unless they are promised.
_DROPPED = (
    "share/doc",
    "share/man",
    "share/gtk-doc",
    "share/locale",
    "share/bash-completion",
    "share/aclocal",
    "share/gdb",
    "share/gettext",
    "share/glib-2.0",
    "libexec",
    "etc",
    "var",
)
_AR_MAGIC = b"!<arch>\n"
_MACHO_MAGIC = b"\xcf\xfa\xed\xfe"
_DLL = re.compile(rb"[\w.+-]+\.dll(?=\0)")


def normalize_prefix(prefix: Path, resolved: ResolvedRecipe, source: Path) -> None:
    """Make an installed folder fit for the store: trimmed, relocatable, with licences and a record of what it is."""
    for name in _DROPPED:
        shutil.rmtree(prefix / name, ignore_errors=True)
    for path in prefix.glob("lib/*.la"):
        path.unlink()
    for path in prefix.glob("bin/*"):
        is_library = resolved.target.os == "windows" and path.suffix == ".dll"
        if f"bin/{path.name}" not in _program_names(resolved) and not is_library:
            path.unlink()
    for folder in ("lib", "share"):
        for path in prefix.glob(f"{folder}/pkgconfig/*.pc"):
            text = relocate_pkgconfig(path.read_text(encoding="utf-8"), shared=resolved.linkage is Linkage.SHARED)
            path.write_text(text, encoding="utf-8", newline="\n")
    _copy_licenses(prefix, resolved, source)
    record = {
        "name": resolved.name,
        "version": resolved.recipe.version,
        "license": resolved.recipe.license.spdx,
        "linkage": resolved.linkage,
        "requires": resolved.requires,
        "features": resolved.features,
        "libraries": resolved.recipe.products.libraries,
        "exports": resolved.recipe.products.exports,
        "url": next(iter(resolved.recipe.source.urls), ""),
        "sha256": resolved.recipe.source.sha256,
        "patches": [patch.name for patch in resolved.recipe.source.patches],
    }
    path = prefix / "share" / "everywheel" / f"{resolved.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, sort_keys=True), newline="\n")


def relocate_pkgconfig(text: str, *, shared: bool) -> str:
    """Return a .pc file whose prefix is wherever it lies.

    What a shared library contains already must not be linked a second time by whoever uses it, so its requirements
    become private ones: their headers are still found, their libraries are not named.
    """
    text = re.sub(r"^prefix\s*=.*$", "prefix=${pcfiledir}/../..", text, flags=re.M)
    text = text.replace(PREFIX + "/", "${prefix}/")
    if shared:
        public = re.search(r"^Requires\s*:(.*)$", text, re.M)
        private = re.search(r"^Requires\.private\s*:(.*)$", text, re.M)
        names = ", ".join(m[1].strip() for m in (public, private) if m is not None and m[1].strip())
        text = re.sub(r"^(Requires|Requires\.private|Libs\.private)\s*:.*\n?", "", text, flags=re.M)
        if names:
            text = f"{text.rstrip()}\nRequires.private: {names}\n"
    return text


def _copy_licenses(prefix: Path, resolved: ResolvedRecipe, source: Path) -> None:
    for name in resolved.recipe.license.files:
        if not (source / name).is_file():
            raise BuildError(
                f"{resolved.label}: the licence file '{name}' is not in the source",
                hint="correct `files` in `license` of the recipe",
            )
        into = prefix / "share" / "licenses" / resolved.name / Path(name).name
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, into)
        into.chmod(0o644)


def list_spellings(places: Iterable[PurePath]) -> tuple[str, ...]:
    """Return how paths may stand in a file: on Windows, with backslashes as well as with slashes."""
    return tuple(dict.fromkeys(text for place in places for text in (str(place), place.as_posix())))


def check_products(prefix: Path, resolved: ResolvedRecipe, forbidden: tuple[str, ...]) -> None:
    """Check everything that the recipe promises.

    `forbidden` are paths of the build machine, of which none may stand in any file.
    Raises BuildError that lists every broken promise.
    """
    broken = [*_check_files(prefix, resolved), *_check_paths(prefix, forbidden), *_check_evidence(prefix, resolved)]
    for name in resolved.recipe.products.libraries:
        broken += _check_library(prefix, resolved, name)
    for name in resolved.recipe.products.programs:
        broken += _check_program(prefix, name, resolved)
    if broken:
        raise BuildError(
            f"{resolved.label}: the build did not make what the recipe promises",
            details={f"promise {number}": words for number, words in enumerate(broken, 1)},
            hint="correct [products] of the recipe, or the options that should have made them",
        )


def _check_files(prefix: Path, resolved: ResolvedRecipe) -> Iterator[str]:
    products = resolved.recipe.products
    for name in products.headers:
        if not (prefix / name).is_file():
            yield f"{name} is not there"
    for name in products.pkgconfig:
        if not any((prefix / folder / "pkgconfig" / f"{name}.pc").is_file() for folder in ("lib", "share")):
            yield f"lib/pkgconfig/{name}.pc is not there"


def _check_paths(prefix: Path, forbidden: tuple[str, ...]) -> Iterator[str]:
    for path in sorted(prefix.rglob("*")):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            for place in forbidden:
                if place.encode() in data:
                    yield f"{path.relative_to(prefix)} names a path of the build machine: {place}"


def _check_evidence(prefix: Path, resolved: ResolvedRecipe) -> Iterator[str]:
    if not resolved.evidence:
        return
    places = [*(prefix / "lib").glob("*"), *(prefix / "bin").glob("*.dll")]
    libraries = [path for path in places if path.is_file() and not path.is_symlink()]
    data = b"".join(path.read_bytes() for path in libraries)
    for word in resolved.evidence:
        if word.encode() not in data:
            yield f"no library contains '{word}': a feature was lost in configure"


def _check_library(prefix: Path, resolved: ResolvedRecipe, name: str) -> Iterator[str]:
    if resolved.linkage is Linkage.STATIC:
        path = prefix / "lib" / f"lib{name}.a"
        if not path.is_file():
            yield f"lib/lib{name}.a is not there"
            return
        if resolved.target.os == "windows":
            yield from _check_coff(f"lib/lib{name}.a", path.read_bytes(), resolved)
            return
        macos = resolved.target.os == "darwin"
        for data in _first_object(path, _MACHO_MAGIC if macos else MAGIC):
            yield from (_check_cpu if macos else _check_machine)(f"lib/lib{name}.a", data, resolved)
        return
    file = resolved.target.system.linkable.format(name)
    path = prefix / file
    if not path.is_file():
        yield f"{file} is not there"
        return
    if resolved.target.os == "linux":
        yield from _check_shared_elf(path, file, name, resolved)
    elif resolved.target.os == "darwin":
        yield from _check_shared_macho(path, file, name, resolved)
    elif resolved.target.os == "windows":
        yield from _check_dlls(prefix, path, file, resolved)


def _check_shared_elf(path: Path, file: str, name: str, resolved: ResolvedRecipe) -> Iterator[str]:
    facts = yield from _check_machine(file, path.read_bytes(), resolved)
    if facts is None:
        return
    wanted = resolved.recipe.products.sonames.get(name, f"lib{name}.so")
    if facts.soname != wanted:
        yield f"{file} has the soname '{facts.soname}', not '{wanted}'"
    if facts.rpath:
        yield f"{file} has a RUNPATH: {':'.join(facts.rpath)}"
    if facts.debug:
        yield f"{file} has debug data"
    yield from _check_exports(file, facts.exports, resolved)


def _check_dlls(prefix: Path, path: Path, file: str, resolved: ResolvedRecipe) -> Iterator[str]:
    """Yield what is wrong with the DLLs that an import library names, and what they let out that nothing promises.

    There are no version scripts: what is marked to be exported is, and nothing else; without a mark all would be.
    """
    yield from _check_coff(file, path.read_bytes(), resolved)
    names = sorted({match.decode() for match in _DLL.findall(path.read_bytes())})
    if not names:
        yield f"{file} names no DLL"
    for name in names:
        if not (prefix / "bin" / name).is_file():
            yield f"{file} names {name}, and bin/{name} is not there"
            continue
        try:
            facts = read_pe((prefix / "bin" / name).read_bytes())
        except UnreadablePe as error:
            yield f"bin/{name} is not a DLL: {error}"
            continue
        if facts.machine != resolved.target.windows_arch.pe_machine:
            yield f"bin/{name} is for {facts.machine}, not for {resolved.target.arch.name}"
        if facts.debug or facts.pdb:
            yield f"bin/{name} has debug data"
        yield from _check_exports(f"bin/{name}", facts.exports, resolved)


def _check_exports(file: str, exports: Iterable[str], resolved: ResolvedRecipe) -> Iterator[str]:
    patterns = resolved.recipe.products.exports
    leaked = [s for s in exports if patterns and not any(fnmatchcase(s, p) for p in patterns)]
    if leaked:
        more = f" and {len(leaked) - 5} more" if len(leaked) > 5 else ""
        yield f"{file} lets out {', '.join(leaked[:5])}{more}"


def _check_shared_macho(path: Path, file: str, name: str, resolved: ResolvedRecipe) -> Iterator[str]:
    image = yield from _check_cpu(file, path.read_bytes(), resolved)
    if image is None:
        return
    wanted = install_name(resolved.recipe.products.sonames.get(name, f"lib{name}.so"))
    if image.name != wanted:
        yield f"{file} has the install name '{image.name}', not '{wanted}'"
    if image.rpath:
        yield f"{file} has an LC_RPATH: {':'.join(image.rpath)}"
    if image.debug:
        yield f"{file} has debug data"
    if image.minimum is None or image.minimum > resolved.target.os_version:
        found = ".".join(map(str, image.minimum)) if image.minimum else "nothing said"
        yield f"{file} is for macOS {found}, not for {'.'.join(map(str, resolved.target.os_version))}"
    for library in image.needed:
        if not library.startswith(("@rpath/", "/usr/lib/", "/System/Library/")):
            yield f"{file} loads {library}, which is neither beside it nor of the system"
    yield from _check_exports(file, image.exports, resolved)


def install_name(soname: str) -> str:
    """Return the install name on macOS of a library that Linux knows by a soname: `@rpath/libvips.42.dylib`."""
    stem, _, version = soname.partition(".so")
    return f"@rpath/{stem}{version}.dylib"


def _check_cpu(name: str, data: bytes, resolved: ResolvedRecipe) -> Generator[str, None, MachoImage | None]:
    """Yield what is wrong with the architecture of a Mach-O file, and return its facts."""
    try:
        image, *more = read_macho(data).images
    except UnreadableMacho as error:
        yield f"{name} is not a Mach-O file: {error}"
        return None
    if more or image.cpu != resolved.target.arch_tag:
        yield f"{name} is for {', '.join(i.cpu for i in (image, *more))}, not for {resolved.target.arch_tag}"
    return image


def _check_coff(name: str, data: bytes, resolved: ResolvedRecipe) -> Iterator[str]:
    """Yield what is wrong with the architecture of an archive's objects; what imports of DLLs have starts with zeros."""
    wanted = resolved.target.windows_arch.coff_machine
    found = {int.from_bytes(m[6:8] if m[:4] == b"\0\0\xff\xff" else m[:2], "little") for m in _list_members(data)}
    for number in sorted(found - {wanted}):
        yield f"{name} has objects of the machine type {number:#x}, not only for {resolved.target.arch.name}"
    if not found:
        yield f"{name} has no objects"


def _list_members(data: bytes) -> Iterator[bytes]:
    """Yield the members of an archive but its tables of symbols and names."""
    at = len(_AR_MAGIC)
    while data.startswith(_AR_MAGIC) and at + 60 <= len(data):
        size = int(data[at + 48 : at + 58])
        if data[at : at + 16].strip() not in (b"/", b"//", b"/SYM64/"):
            yield data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


def _program_names(resolved: ResolvedRecipe) -> dict[str, str]:
    """Return the files that may be the promised programs, each with the program's name; scripts have no suffix."""
    suffixes = dict.fromkeys(("", resolved.target.system.program))
    return {f"{name}{suffix}": name for name in resolved.recipe.products.programs for suffix in suffixes}


def _check_program(prefix: Path, name: str, resolved: ResolvedRecipe) -> Iterator[str]:
    found = [prefix / file for file, wanted in _program_names(resolved).items() if wanted == name]
    path = next((path for path in found if path.is_file()), None)
    if path is None:
        yield f"{name} is not there"
    elif path.read_bytes()[:4] == MAGIC:
        yield from _check_machine(name, path.read_bytes(), resolved)


def _check_machine(name: str, data: bytes, resolved: ResolvedRecipe) -> Generator[str, None, ElfFacts | None]:
    """Yield what is wrong with the architecture of an ELF file, and return its facts."""
    arch = resolved.target.arch
    try:
        facts = read_elf(data)
    except UnreadableElf as error:
        yield f"{name} is not an ELF file: {error}"
        return None
    found = (facts.machine, facts.bits, facts.endian)
    if found != (arch.elf_machine, arch.bits, arch.endian):
        yield f"{name} is for {facts.machine}, {facts.bits} bits, {facts.endian} endian, not for {arch.name}"
    return facts


def _first_object(path: Path, magic: bytes = MAGIC) -> Iterator[bytes]:
    """Yield the first object in an archive (the common `ar` format: 60-byte headers, even offsets)."""
    data = path.read_bytes()
    if not data.startswith(_AR_MAGIC):
        yield data[:64]
        return
    at = len(_AR_MAGIC)
    while at + 60 <= len(data):
        size = int(data[at + 48 : at + 58])
        member = data[at + 60 : at + 60 + size]
        start = member.find(magic, 0, 256)  # BSD archives put a long member name before the object
        if start >= 0:
            yield member[start:]
            return
        at += 60 + size + size % 2
