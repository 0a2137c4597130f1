"""An SDK as a Python wheel and as an npm package: registries that choose the archive for a system by its tags.

Neither has links. Instead of one that a linker follows, a package has a text that linkers read: a script on Linux, and a stub
(.tbd) on macOS. The shared library itself has the name by which programs load it.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from types import MappingProxyType

import deflate
from packaging.utils import canonicalize_name

from everywheel.binaries.macho import read_macho
from everywheel.platforms.target import Target
from everywheel.sdk.contents import Entry, SdkFacts, SdkFile, SdkLink, follow
from everywheel.sdk.documents import SBOM, license_expression
from everywheel.store.local import FIXED_TIME
from everywheel.wheels.wheel import Wheel, WheelFile

_LEVEL = 9
# Names of systems in package.json: those of process.platform of Node.js.
_NODE_SYSTEMS = MappingProxyType({"linux": "linux", "darwin": "darwin", "windows": "win32"})
_MODULE = '''"""The paths of the SDK of {name} {version}: libraries, headers, and files for pkg-config and CMake."""

from pathlib import Path

ROOT = Path(__file__).parent / "sdk"
PATHS = {{
    "path": ROOT,
    "pkg-config-path": ROOT / "lib" / "pkgconfig",
    "static-pkg-config-path": ROOT / "lib" / "static" / "pkgconfig",
    "cmake-prefix-path": ROOT,
    "library-path": ROOT / "{libraries}",
    "include-path": ROOT / "include",
}}
'''
_PROGRAM = '''"""Print a path of the SDK: `python -m {module} --pkg-config-path`."""

import argparse

from {module} import PATHS

parser = argparse.ArgumentParser(prog="python -m {module}", description=__doc__)
group = parser.add_mutually_exclusive_group(required=True)
for name in PATHS:
    group.add_argument("--" + name, action="store_const", const=name, dest="name", help="print this path")
print(PATHS[parser.parse_args().name])
'''
_METADATA = """Metadata-Version: 2.4
Name: {name}
Version: {version}
Summary: The SDK of {recipe}: shared libraries, archives, headers, and files for pkg-config and CMake
License-Expression: {license}
Requires-Python: >=3.9
{files}
"""
_WHEEL = "Wheel-Version: 1.0\nGenerator: everywheel\nRoot-Is-Purelib: false\nTag: py3-none-{platform}\n"


def replace_links(entries: Mapping[str, Entry], target: Target) -> dict[str, Entry]:
    """Return the files of an SDK without links."""
    files: dict[str, Entry] = {name: entry for name, entry in entries.items() if isinstance(entry, SdkFile)}
    for name, entry in entries.items():
        if not isinstance(entry, SdkLink):
            continue
        library = follow(name, entries)
        if target.os == "linux" and name.endswith(".so"):
            files[name] = SdkFile(data=f"INPUT({_find_soname(name, entries)})\n".encode())
        elif target.os == "darwin" and re.fullmatch(r"lib/[^.]+(-\d\.\d)?\.dylib", name):
            files[name.removesuffix(".dylib") + ".tbd"] = SdkFile(data=_render_stub(library.data))
        elif target.os != "darwin" or _install_name(library.data) == name.rpartition("/")[2]:
            files[name] = library
            files.pop(_find_file(name, entries), None)
    return files


def _find_file(name: str, entries: Mapping[str, Entry]) -> str:
    folder, _, _ = name.rpartition("/")
    while isinstance(entry := entries[name], SdkLink):
        name = f"{folder}/{entry.target}"
    return name


def _find_soname(name: str, entries: Mapping[str, Entry]) -> str:
    """Return the last link before the file itself, which has the soname; the file if there is none."""
    folder, _, _ = name.rpartition("/")
    entry, last = entries[name], name
    while isinstance(entry, SdkLink):
        last, entry = f"{folder}/{entry.target}", entries[f"{folder}/{entry.target}"]
        if isinstance(entry, SdkLink) and not isinstance(entries[f"{folder}/{entry.target}"], SdkLink):
            break
    return last.rpartition("/")[2]


def _install_name(data: bytes) -> str:
    return read_macho(data).images[0].name.rpartition("/")[2]


def _render_stub(data: bytes) -> bytes:
    """Return the stub of a library for macOS, in version 4 of the format."""
    image = read_macho(data).images[0]
    cpu = f"{image.cpu}-macos"
    symbols = ", ".join(f"'_{name}'" for name in image.exports)
    return (
        f"--- !tapi-tbd\ntbd-version: 4\ntargets: [ {cpu} ]\ninstall-name: '{image.name}'\n"
        f"exports:\n  - targets: [ {cpu} ]\n    symbols: [ {symbols} ]\n...\n"
    ).encode()


def make_wheel(entries: Mapping[str, Entry], facts: SdkFacts) -> Wheel:
    """Return a wheel with an SDK without links, and a module that prints its paths."""
    name = canonicalize_name(f"{facts.label}-sdk")
    module = name.replace("-", "_")
    info = f"{module}-{facts.version}.dist-info"
    files = {
        f"{module}/sdk/{path}": WheelFile(data=entry.data, executable=entry.executable)
        for path, entry in entries.items()
        if isinstance(entry, SdkFile)
    }
    libraries = "bin" if facts.target.os == "windows" else "lib"
    names = {"name": facts.name, "version": facts.version, "module": module, "libraries": libraries}
    files[f"{module}/__init__.py"] = WheelFile(data=_MODULE.format(**names).encode())
    files[f"{module}/__main__.py"] = WheelFile(data=_PROGRAM.format(**names).encode())
    texts = {
        path.removeprefix("share/licenses/"): entry
        for path, entry in entries.items()
        if path.startswith("share/licenses/")
    }
    metadata = _METADATA.format(
        name=name,
        version=facts.version,
        recipe=facts.name,
        license=license_expression(facts),
        files="\n".join(f"License-File: {path}" for path in sorted(texts)),
    )
    files[f"{info}/METADATA"] = WheelFile(data=metadata.encode())
    files[f"{info}/WHEEL"] = WheelFile(data=_WHEEL.format(platform=facts.target.wheel_tag).encode())
    for path, entry in texts.items():
        if isinstance(entry, SdkFile):
            files[f"{info}/licenses/{path}"] = WheelFile(data=entry.data)
    sbom = entries[SBOM]
    if isinstance(sbom, SdkFile):
        files[f"{info}/sboms/{module}.cdx.json"] = WheelFile(data=sbom.data)
    return Wheel(
        name=module,
        version=facts.version,
        build="",
        python="py3",
        abi="none",
        platform=facts.target.wheel_tag,
        files=files,
    )


def make_npm_package(entries: Mapping[str, Entry], facts: SdkFacts) -> tuple[str, bytes]:
    """Return the file name and the content of an npm package with an SDK without links."""
    target = facts.target
    cpu = target.arch.node or target.arch.debian
    system = _NODE_SYSTEMS[target.os]
    name = f"{facts.label}-sdk-{system}{'musl' if target.libc == 'musl' else ''}-{cpu}"
    description = {
        "name": name,
        "version": facts.version,
        "description": f"The SDK of {facts.name} for {target.wheel_tag}",
        "license": license_expression(facts),
        "os": [system],
        "cpu": [cpu],
        **({"libc": [target.libc]} if target.libc else {}),
        "main": "index.js",
        "files": ["index.js", "sdk"],
    }
    files = {f"sdk/{path}": entry for path, entry in entries.items() if isinstance(entry, SdkFile)}
    files["package.json"] = SdkFile(data=f"{json.dumps(description, indent=2)}\n".encode())
    files["index.js"] = SdkFile(
        data=b'"use strict";\n\nconst { join } = require("node:path");\n\nexports.path = join(__dirname, "sdk");\n'
        b'exports.pkgConfigPath = join(exports.path, "lib", "pkgconfig");\n'
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for path in sorted(files):
            info = tarfile.TarInfo(f"package/{path}")
            info.size, info.mtime = len(files[path].data), FIXED_TIME
            info.mode = 0o755 if files[path].executable else 0o644
            new.addfile(info, io.BytesIO(files[path].data))
    return f"{name}-{facts.version}.tgz", bytes(deflate.gzip_compress(packed.getvalue(), _LEVEL))
