"""Products in the Mach-O format (macOS): architecture, install name, oldest system, dependencies and exports."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from everywheel.binaries.ar import AR_MAGIC, find_first_object
from everywheel.binaries.macho import MachoImage, read_macho
from everywheel.binaries.unreadable import UnreadableMacho
from everywheel.config.recipe import ResolvedRecipe
from everywheel.libraries.exports import check_exports

_MAGIC = b"\xcf\xfa\xed\xfe"


def check_macho_archive(file: str, data: bytes, recipe: ResolvedRecipe) -> Iterator[str]:
    """Yield the problems of a static archive; only its first object is read."""
    first = find_first_object(data, _MAGIC) if data.startswith(AR_MAGIC) else data[:64]
    if first is not None:
        yield from _check_cpu(file, first, recipe)


def check_shared_macho(file: str, data: bytes, name: str, recipe: ResolvedRecipe) -> Iterator[str]:
    """Yield the problems of the shared library `name`."""
    image = yield from _check_cpu(file, data, recipe)
    if image is None:
        return
    expected = install_name(recipe.products.sonames.get(name, f"lib{name}.so"))
    if image.name != expected:
        yield f"{file} has the install name '{image.name}', not '{expected}'"
    if image.rpath:
        yield f"{file} has an LC_RPATH: {':'.join(image.rpath)}"
    if image.debug:
        yield f"{file} has debug data"
    if image.minimum is None or image.minimum > recipe.target.os_version:
        minimum = f"macOS {'.'.join(map(str, image.minimum))}" if image.minimum else "an undeclared version of macOS"
        yield f"{file} is for {minimum}, not for {'.'.join(map(str, recipe.target.os_version))}"
    for library in image.needed:
        if not library.startswith(("@rpath/", "/usr/lib/", "/System/Library/")):
            yield f"{file} loads {library}, which is neither in the prefix nor part of the system"
    yield from check_exports(file, image.exports, recipe)


def install_name(soname: str) -> str:
    """Return the install name on macOS of a library with a soname on Linux: `@rpath/libvips.42.dylib`."""
    stem, _, version = soname.partition(".so")
    return f"@rpath/{stem}{version}.dylib"


def _check_cpu(file: str, data: bytes, recipe: ResolvedRecipe) -> Generator[str, None, MachoImage | None]:
    """Yield a problem if a Mach-O file is for another architecture or cannot be read; return its facts, if any."""
    try:
        image, *others = read_macho(data).images
    except UnreadableMacho as error:
        yield f"{file} is not a Mach-O file: {error}"
        return None
    if others or image.cpu != recipe.target.arch_tag:
        yield f"{file} is for {', '.join(i.cpu for i in (image, *others))}, not for {recipe.target.arch_tag}"
    return image
