"""CMake packages of an SDK: one for each named recipe, with two targets for each of its pkg-config modules.

`libvips::vips` is the shared library, and `libvips::vips-static` its archive with all that it requires. The packages contain
the flags of the .pc files, so that both ways link the same, and find their folder when they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from everywheel.libraries.prefix import split_requirements
from everywheel.sdk.contents import STATIC, Entry, SdkFacts, SdkFile
from everywheel.sdk.pkgconfig import FOLDER, STATIC_FOLDER, read_fields, read_variables

_HEADER = """# The package {name} of an SDK, which may have any path.
get_filename_component(_sdk "${{CMAKE_CURRENT_LIST_DIR}}/../../.." ABSOLUTE)
set({name}_VERSION {version})
"""
_VERSION = """set(PACKAGE_VERSION {version})
if(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION STREQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
"""
_TARGET = """if(NOT TARGET {target})
  add_library({target} INTERFACE IMPORTED)
  set_target_properties({target} PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "{folders}"
    INTERFACE_COMPILE_OPTIONS "{options}"
    INTERFACE_LINK_LIBRARIES "{libraries}")
endif()
"""


def write_packages(entries: Mapping[str, Entry], facts: SdkFacts) -> dict[str, Entry]:
    """Return an SDK's files with the CMake packages of its named recipes."""
    files = dict(entries)
    for library in facts.libraries:
        if library.name in facts.roots:
            name, version = library.name, library.version
            text = _HEADER.format(name=name, version=version)
            for module in facts.modules[name]:
                text += _render_target(f"{name}::{module}-static", module, STATIC_FOLDER, files)
                text += _render_target(f"{name}::{module}", module, FOLDER, files)
            folder = f"lib/cmake/{name}"
            files[f"{folder}/{name}-config.cmake"] = SdkFile(data=text.encode())
            files[f"{folder}/{name}-config-version.cmake"] = SdkFile(data=_VERSION.format(version=version).encode())
    return files


def _list_modules(module: str, folder: str, entries: Mapping[str, Entry], keys: Sequence[str]) -> list[str]:
    """Return the texts of a module and of all that it requires in some fields, each before its own requirements."""
    texts: dict[str, str] = {}
    finished: list[str] = []

    def visit(name: str) -> None:
        entry = entries.get(f"{folder}/{name}.pc")
        if name in texts or not isinstance(entry, SdkFile):
            return
        texts[name] = entry.data.decode()
        fields = read_fields(texts[name])
        required = [other for key in keys for other in split_requirements(fields.get(key, ""))]
        for other in reversed(required):
            visit(other.split()[0])
        finished.append(name)

    visit(module)
    return [texts[name] for name in reversed(finished)]


def _render_target(target: str, module: str, folder: str, entries: Mapping[str, Entry]) -> str:
    texts = _list_modules(module, folder, entries, ("Requires", "Requires.private"))
    flags = [flag for text in texts for flag in _expand(text, "Cflags", folder)]
    folders = [flag[2:] for flag in flags if flag.startswith("-I")]
    options = [flag for flag in flags if not flag.startswith("-I")]
    # A shared library contains what its private requirements are.
    linked = _list_modules(module, folder, entries, ("Requires",))
    libraries = [
        _find(flag, entries, is_static=folder == STATIC_FOLDER)
        for text in linked
        for flag in _expand(text, "Libs", folder)
    ]
    return _TARGET.format(
        target=target,
        folders=_join(folders),
        options=_join(options),
        libraries=_join(reversed(list(dict.fromkeys(reversed(libraries))))),
    )


def _find(flag: str, entries: Mapping[str, Entry], *, is_static: bool) -> str:
    """Return the file that `-lfoo` means in the SDK; other flags stay as they are."""
    name = flag.removeprefix("-l")
    folder, suffixes = (STATIC, (".a", ".tbd")) if is_static else ("lib", (".so", ".dylib", ".dll.a"))
    names = [f"{folder}/lib{name}{suffix}" for suffix in suffixes] if name != flag else []
    return next((f"${{_sdk}}/{path}" for path in names if path in entries), flag)


def _expand(text: str, key: str, folder: str) -> Iterator[str]:
    """Yield the flags of a field, with the SDK's folder as `${_sdk}`, without search paths of the linker.

    `folder` is that of the module.
    """
    defined = {"pcfiledir": f"${{_sdk}}/{folder}"}
    variables = defined | read_variables(text) | {"prefix": "${_sdk}"}
    for flag in _substitute(read_fields(text).get(key, ""), variables).split():
        if not flag.startswith("-L"):
            yield flag


def _substitute(value: str, variables: Mapping[str, str]) -> str:
    """Return a value with those of its variables; one that is not defined, or only by itself, is empty as in pkgconf."""

    def replace(match: re.Match[str]) -> str:
        others = {name: other for name, other in variables.items() if name != match[1]}
        return _substitute(variables.get(match[1], ""), others)

    return re.sub(r"\$\{(?!_sdk\})([^{}]+)\}", replace, value)


def _join(items: Sequence[str] | Iterator[str]) -> str:
    return ";".join(dict.fromkeys(items))
