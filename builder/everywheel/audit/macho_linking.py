"""Checks of how macOS loads a wheel's Mach-O files: architecture, oldest macOS, load commands, install names, signatures."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents, installed_path
from everywheel.binaries.macho import MachoFacts, MachoImage
from everywheel.platforms.mac_windows_policy import MacPolicy, is_macos_library, needs_signature

_PYTHON = re.compile(r"(.*/)?(Python3?\.framework/.*|libpython3[\d.]*t?\.dylib)")
# delocate writes this directory, which does not exist, into the install names of the libraries that it grafts.
_PLACEHOLDER = "/DLC/"
_LOADED = ("MH_BUNDLE", "MH_DYLIB", "MH_EXECUTE")

Fault = tuple[str, tuple[str, ...]]
"""A finding's message and evidence, before it is known how many images of the file have it."""


def check_mac_arch(contents: WheelContents) -> Iterator[Finding]:
    """Find files without an image for a processor that the tags name."""
    for policy in contents.mac_policies:
        for path, macho in contents.machos.items():
            if not set(policy.cpus) <= {image.cpu for image in macho.images}:
                message = f"built for {_join(macho.machine.split(', '))}; {policy.tag} requires {_join(policy.cpus)}"
                yield Finding(check="arch", file=path, message=message)


def check_mac_system(contents: WheelContents) -> Iterator[Finding]:
    """Find images for another system, for a newer macOS than a tag promises, or without their oldest macOS."""

    def check(image: MachoImage) -> Iterator[Fault]:
        if image.system != "macOS":
            yield f"built for {image.system}, not for macOS", ()
        elif image.minimum is None and image.kind in _LOADED:
            yield "does not declare its oldest macOS (LC_BUILD_VERSION, LC_VERSION_MIN_MACOSX)", ()
        elif image.minimum is not None:
            for policy in contents.mac_policies:
                if image.cpu in policy.cpus and image.minimum > policy.floor_on(image.cpu):
                    yield f"needs macOS {_format_version(image.minimum)}, but {policy.promise_on(image.cpu)}", ()

    for path, macho in contents.machos.items():
        yield from _check_images("system", path, macho, check)


def check_mac_libraries(contents: WheelContents) -> Iterator[Finding]:
    """Find load commands that resolve neither to a file in the wheel nor to a library of the system.

    A weak load command may name a library of newer systems, but no other path outside of the wheel: any file that a
    user's machine has at that path would be loaded.
    """
    directories = _find_search_paths(contents.machos)
    files = (*contents.machos, *contents.unread)
    installed = {installed_path(path) for path in files}
    for path, macho in contents.machos.items():

        def check(image: MachoImage, path: str = path) -> Iterator[Fault]:
            for name in image.needed:
                if not _is_in_wheel(name, path, directories[path], installed):
                    elsewhere = tuple(p for p in files if posixpath.basename(p) == posixpath.basename(name))
                    for message in _describe_missing(name, image, elsewhere, contents.mac_policies):
                        yield message, elsewhere

        yield from _check_images("libraries", path, macho, check)


def _describe_missing(
    name: str, image: MachoImage, elsewhere: Sequence[str], policies: Sequence[MacPolicy]
) -> Iterator[str]:
    needs = f"{'weakly loads' if name in image.optional else 'needs'} {name}"
    if _PYTHON.fullmatch(name):
        yield f"{needs}: a module must use the Python that loads it instead of loading another one"
    elif elsewhere and name.startswith("@rpath/"):
        yield f"{needs}, which is in the wheel, but not in a directory on its LC_RPATH"
    elif elsewhere:
        yield f"{needs}, which is in the wheel, but in another directory"
    elif name.startswith("@executable_path"):
        yield f"{needs}, a path relative to the Python executable, not to this file"
    elif name.startswith("@"):
        yield f"{needs}, which is not in the wheel"
    elif not name.startswith("/"):
        yield f"{needs}, a path relative to the working directory"
    elif name in image.optional:
        if not is_macos_library(name):
            yield f"{needs}, which is neither in the wheel nor a library of macOS"
    else:
        yield from dict.fromkeys(f"needs {name}, {why}" for p in policies if (why := p.find_problem(name, image.cpu)))


def find_loaded_machos(contents: WheelContents, path: str) -> dict[str, str]:
    """Return, by install name, the files of the wheel that a Mach-O file loads."""
    directories = _find_search_paths(contents.machos)[path]
    installed = {installed_path(other): other for other in (*contents.machos, *contents.unread)}
    resolved = {
        name: next((installed[p] for p in _resolve(name, path, directories) if p in installed), None)
        for name in contents.machos[path].needed
    }
    return {name: file for name, file in resolved.items() if file is not None}


def find_external_install_names(contents: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return, for each Mach-O file, the needed install names that are not in the wheel."""
    directories = _find_search_paths(contents.machos)
    installed = {installed_path(path) for path in (*contents.machos, *contents.unread)}
    return {
        path: tuple(name for name in macho.needed if not _is_in_wheel(name, path, directories[path], installed))
        for path, macho in contents.machos.items()
    }


def check_mac_rpath(contents: WheelContents) -> Iterator[Finding]:
    """Find LC_RPATH entries that are not relative to @loader_path, lead out of the wheel, or are repeated."""
    for path, macho in contents.machos.items():
        directory = posixpath.dirname(installed_path(path))

        def check(image: MachoImage, directory: str = directory) -> Iterator[Fault]:
            for entry, times in Counter(image.rpath).items():
                relative = _relative_to_loader(entry)
                if relative is None:
                    yield f"LC_RPATH '{entry}' is not relative to @loader_path", ()
                elif posixpath.normpath(posixpath.join(directory, relative)).split("/")[0] == "..":
                    yield f"LC_RPATH '{entry}' leads out of the wheel", ()
                if times > 1:  # https://github.com/python/cpython/issues/138070
                    yield f"LC_RPATH '{entry}' is listed {times} times, which macOS 15.4 and newer refuse", ()

        yield from _check_images("rpath", path, macho, check)


def check_mac_names(contents: WheelContents) -> Iterator[Finding]:
    """Find install names that are absolute paths on the build machine."""

    def check(image: MachoImage) -> Iterator[Fault]:
        if image.name.startswith("/") and not image.name.startswith(_PLACEHOLDER):
            yield f"its install name is a path on the build machine: {image.name}", ()

    for path, macho in contents.machos.items():
        yield from _check_images("names", path, macho, check)


def check_mac_signature(contents: WheelContents) -> Iterator[Finding]:
    """Find invalid code signatures, and files for arm64 without one: macOS ends a process that loads them."""

    def check(image: MachoImage) -> Iterator[Fault]:
        if image.signature:
            yield "its code signature is not valid", image.signature
        elif image.signature is None and image.kind in _LOADED and needs_signature(image.cpu):
            yield "has no code signature, which macOS requires on arm64", ()

    for path, macho in contents.machos.items():
        yield from _check_images("signature", path, macho, check)


def _check_images(
    check: str, path: str, macho: MachoFacts, find_faults: Callable[[MachoImage], Iterator[Fault]]
) -> Iterator[Finding]:
    """Yield each fault of a file's images once; the message names the images if not all of them have it."""
    faults: dict[Fault, list[str]] = {}
    for image in macho.images:
        for fault in find_faults(image):
            faults.setdefault(fault, []).append(image.cpu)
    for (message, evidence), cpus in faults.items():
        prefix = "" if len(cpus) == len(macho.images) else f"for {_join(cpus)}: "
        yield Finding(check=check, file=path, message=f"{prefix}{message}", evidence=evidence)


def _is_in_wheel(name: str, path: str, directories: set[str], installed: set[str]) -> bool:
    return any(candidate in installed for candidate in _resolve(name, path, directories))


def _resolve(name: str, path: str, directories: set[str]) -> Iterator[str]:
    """Yield the installed paths in the wheel at which the loader looks for a needed name."""
    if name.startswith("@rpath/"):
        tail = name.removeprefix("@rpath/")
        yield from (posixpath.normpath(posixpath.join(directory, tail)) for directory in directories)
    elif (relative := _relative_to_loader(name)) is not None:
        yield posixpath.normpath(posixpath.join(posixpath.dirname(installed_path(path)), relative))


def _relative_to_loader(name: str) -> str | None:
    """Return the path after @loader_path, or None for a name that does not begin with it."""
    if name == "@loader_path" or name.startswith("@loader_path/"):
        return name.removeprefix("@loader_path").lstrip("/") or "."
    return None


def _find_search_paths(machos: Mapping[str, MachoFacts]) -> dict[str, set[str]]:
    """Return the directories that @rpath means in each file: those of its LC_RPATH and of the files that load it."""
    installed = {installed_path(path): path for path in machos}
    search_paths: dict[str, set[str]] = {path: set() for path in machos}
    for path, macho in machos.items():
        directory = posixpath.dirname(installed_path(path))
        relatives = [relative for entry in macho.rpath if (relative := _relative_to_loader(entry)) is not None]
        search_paths[path] |= {posixpath.normpath(posixpath.join(directory, relative)) for relative in relatives}
    changed = True
    while changed:
        changed = False
        for path, macho in machos.items():
            for name in macho.needed:
                for candidate in _resolve(name, path, search_paths[path]):
                    loaded = installed.get(candidate)
                    if loaded is not None and not search_paths[path] <= search_paths[loaded]:
                        search_paths[loaded] |= search_paths[path]
                        changed = True
    return search_paths


def _join(names: Sequence[str]) -> str:
    return " and ".join(sorted(names, reverse=True))


def _format_version(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
