"""The text of a new recipe, in the order of keys that all recipes have."""

from __future__ import annotations

import json
from collections.abc import Iterator

from everywheel.recognition.library_source import LibrarySource
from everywheel.sources.package_draft import SourcePackage

# The comments of a draft in [build], for build systems without switches for tests and parts.
_COMMENTS = {
    "make": (
        '# configure = ["./configure", "--prefix={prefix}"]  # if the source has a script that is not of autoconf',
        "# compile = []  # targets of make: those of the library only",
        "# options = {}  # variables of make",
    )
}


def render_draft(name: str, version: str, source: LibrarySource, pin: list[str]) -> str:
    """Return the text of recipe.toml; comments name what was not recognized, or guessed. `pin` is the table [source]."""
    files = source.license_files or ("LICENSE",)
    license_note = "read from the source: compare it" if source.license else "not recognized: name the license"
    if not source.license_files:
        license_note += ", and the files with its text"
    lines = [
        f"name = {json.dumps(name)}",
        f"version = {json.dumps(version)}",
        f'summary = "{name}"  # one line',
        f"# {license_note}",
        f"license = {{ spdx = {json.dumps(source.license or f'LicenseRef-{name}')}, files = {json.dumps(list(files))} }}",
        "# requires = []  # recipes of the libraries that it is linked to",
        "",
        *pin,
        "",
        "[build]",
        f'system = "{source.system or "meson"}"',
        *([f"subdir = {json.dumps(source.subdir)}"] if source.subdir else []),
        *_COMMENTS.get(source.system, ("# disable = []  # tests, programs and optional parts",)),
        "",
        "[products]",
        "# guessed from the build files: what the build must install",
        f"libraries = {json.dumps(list(source.libraries))}",
        f"pkgconfig = {json.dumps(list(source.pkgconfig))}",
        "# sonames and exports are for a shared library; see the page about recipes",
    ]
    return "\n".join(lines) + "\n"


def pin_address(url: str, version: str, sha256: str, size: int) -> list[str]:
    """Return the lines of [source] for an archive at an address."""
    return [
        "[source]",
        f"urls = [{json.dumps(url.replace(version, '{version}'))}]",
        f'sha256 = "{sha256}"',
        f"size = {size}",
    ]


def pin_package(package: SourcePackage) -> list[str]:
    """Return the lines of [source] for a source package: the archive, and the packaging if it has security patches."""
    return list(_pin_package(package))


def _pin_package(package: SourcePackage) -> Iterator[str]:
    yield "[source]"
    yield "# urls = []  # upstream's address, if it has the same bytes"
    yield from _pin_file(package, package.archive.name, package.archive.sha256, package.archive.size)
    if package.unpinned:
        yield f"# the changelog of {package.revision.version} names {', '.join(package.unpinned)}: find the patch of it"
    if package.packaging is None:
        return
    yield from ("", "[[source.patch-archives]]")
    yield from _pin_file(package, package.packaging.name, package.packaging.sha256, package.packaging.size)
    yield "patches = ["
    for patch in package.patches:
        fixes = f", fixes = {json.dumps(list(patch.fixes))}"
        yield f'    {{ file = {json.dumps(patch.file)}, sha256 = "{patch.sha256}", size = {patch.size}{fixes} }},'
    yield "]"
    if package.omitted:
        yield "omit = ["
        for omitted in package.omitted:
            yield f"    {{ file = {json.dumps(omitted.file)}, reason = {json.dumps(omitted.reason)} }},"
        yield "]"


def _pin_file(package: SourcePackage, name: str, sha256: str, size: int) -> Iterator[str]:
    file = json.dumps(name.replace(package.version, "{version}"))
    yield f"debian = {{ package = {json.dumps(package.revision.package)}, file = {file} }}"
    yield f'sha1 = "{package.sha1[name]}"'
    yield f'sha256 = "{sha256}"'
    yield f"size = {size}"
