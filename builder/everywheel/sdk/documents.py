"""The manifest, the README and the SBOM of an SDK."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from everywheel.libraries.library_facts import Library
from everywheel.sdk.contents import STATIC, Entry, SdkFacts, SdkFile, SdkLink, is_shared
from everywheel.store.local import FIXED_TIME
from everywheel.wheels.sbom import describe_library
from everywheel.wheels.spdx import combine_expressions

MANIFEST = "sdk.json"
SBOM = "sbom.cdx.json"
README = "README.md"
FORMAT = 1


def write_documents(entries: Mapping[str, Entry], facts: SdkFacts) -> dict[str, Entry]:
    """Return an SDK's files with its README, SBOM and manifest; the manifest lists all others."""
    files = dict(entries)
    files[README] = SdkFile(data=_render_readme(facts).encode())
    files[SBOM] = SdkFile(data=_render_sbom(files, facts))
    files[MANIFEST] = SdkFile(data=_render_manifest(files, facts))
    return files


def _render_manifest(entries: Mapping[str, Entry], facts: SdkFacts) -> bytes:
    target = facts.target
    document = {
        "format": FORMAT,
        "name": facts.name,
        "version": facts.version,
        "profile": facts.profile,
        "target": target.tag,
        "recipes": list(facts.roots),
        "license": license_expression(facts),
        "libraries": {
            library.name: {
                "version": library.version,
                "license": library.license,
                "features": list(library.features),
                "modules": list(facts.modules.get(library.name, ())),
                "archives": list(facts.archives.get(library.name, ())),
            }
            for library in facts.libraries
        },
        "files": {
            name: {"size": len(entry.data), "sha256": entry.sha256}
            for name, entry in sorted(entries.items())
            if isinstance(entry, SdkFile)
        },
        "links": {name: entry.target for name, entry in sorted(entries.items()) if isinstance(entry, SdkLink)},
    }
    return f"{json.dumps(document, indent=1)}\n".encode()


def license_expression(facts: SdkFacts) -> str:
    """Return the license of an SDK: that of all its libraries."""
    return combine_expressions([library.license for library in facts.libraries])


def _render_sbom(entries: Mapping[str, Entry], facts: SdkFacts) -> bytes:
    """Return a CycloneDX document with each library, its license and its files."""
    root = Component(
        type=ComponentType.LIBRARY,
        name=facts.name,
        version=facts.version,
        bom_ref="sdk",
        purl=PackageURL(type="generic", name=facts.name, version=facts.version),
        licenses=[LicenseExpression(value=license_expression(facts))],
    )
    hashes = {library.name: _hash_library(library, entries, facts) for library in facts.libraries}
    components = {library.name: describe_library(library, hashes[library.name]) for library in facts.libraries}
    bom = Bom(components=components.values())
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.fromtimestamp(FIXED_TIME, UTC)
    for library in facts.libraries:
        needed = [components[other] for other in library.requires if other in components]
        bom.register_dependency(components[library.name], needed)
    bom.register_dependency(root, [components[name] for name in facts.roots])
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"{facts.title} {sorted(hashes.items())}")
    return f"{JsonV1Dot6(bom).output_as_string(indent=1)}\n".encode()


def _hash_library(library: Library, entries: Mapping[str, Entry], facts: SdkFacts) -> dict[str, str]:
    """Return the sha256 of each file of a library by name: its archives, and its shared libraries if there are any."""
    stems = facts.archives.get(library.name, ())
    files = {f"{STATIC}/lib{stem}.a" for stem in stems}
    files |= {name for name in entries if is_shared(name) and _shared_stem(name) in stems}
    return {name: entry.sha256 for name in sorted(files) if isinstance(entry := entries.get(name), SdkFile)}


def _shared_stem(name: str) -> str:
    file = name.rpartition("/")[2].removeprefix("lib")
    for mark in (".so", ".dylib", ".dll"):
        file = file.partition(mark)[0]
    return file.rpartition("-")[0] if name.startswith("bin/") and file.rpartition("-")[2].isdigit() else file


def _render_readme(facts: SdkFacts) -> str:
    module = facts.modules[facts.name][0]
    versions = "\n".join(f"- {x.name} {x.version}: {x.license}" for x in facts.libraries)
    compiler = "x86_64-w64-mingw32-gcc" if facts.target.os == "windows" else "cc"
    archives = f"$(PKG_CONFIG_PATH=lib/static/pkgconfig pkg-config --cflags --libs {module})"
    static = {
        "linux": f"eval {compiler} -static main.c $(pkg-config --static --cflags --libs {module}) -o main",
        "windows": f"eval {compiler} -static main.c {archives} -o main.exe",
        "darwin": f"eval {compiler} main.c {archives} -o main",
    }[facts.target.os]
    return f"""# {facts.label} {facts.version} for {facts.target.wheel_tag}

An SDK: shared libraries, static archives, headers, and files for pkg-config and CMake. Nothing needs to be installed, and
the folder may have any path.

    export PKG_CONFIG_PATH="$PWD/lib/pkgconfig"
    eval {compiler} main.c $(pkg-config --cflags --libs {module}) -Wl,-rpath,'"$PWD/lib"' -o main
    {static}

The second command links to the shared library, the third links everything into the program. `lib/static/pkgconfig` is for
a program that contains the libraries, but uses the system's C library as a shared one. `eval` is for folders whose path has
blanks: pkg-config escapes them, and only `eval` reads that. In CMake, pass
`-D CMAKE_PREFIX_PATH=<this folder>`, and use `find_package({facts.name})` with the targets `{facts.name}::{module}` and
`{facts.name}::{module}-static`.

`sdk.json` lists all files with their sha256, `sbom.cdx.json` the libraries with their sources (CycloneDX), and
`share/licenses` has the texts of the licenses. To pass on a program that contains libraries under the LGPL, also pass on
what allows its users to link it to a changed version of them, such as its object files; with the shared library, they
replace the file.

{versions}
"""
