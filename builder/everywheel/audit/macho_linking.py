"""What macOS' loader will look for: architecture, the oldest system, load commands and where they lead, install names."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents, installed_path
from everywheel.binaries.macho import MachoFacts, MachoImage
from everywheel.platforms.mac_windows_policy import MacPolicy, is_of_macos, needs_signature

_PYTHON = re.compile(r"(.*/)?(Python3?\.framework/.*|libpython3[\d.]*t?\.dylib)")
# The place that delocate writes into the install names of what it grafts: it exists nowhere, and nobody checks there.
_PLACEHOLDER = "/DLC/"
_LOADED = ("MH_BUNDLE", "MH_DYLIB", "MH_EXECUTE")

Said = tuple[str, tuple[str, ...]]  # the message of a finding, and its evidence


def check_mac_arch(content: WheelContents, policies: Sequence[MacPolicy]) -> Iterator[Finding]:
    """Find files without an image for a processor that the tags name."""
    for policy in policies:
        for path, macho in content.machos.items():
            if not set(policy.cpus) <= {image.cpu for image in macho.images}:
                message = f"built for {_join(macho.machine.split(', '))}; {policy.tag} is {_join(policy.cpus)}"
                yield Finding(check="arch", file=path, message=message)


def check_mac_system(content: WheelContents, policies: Sequence[MacPolicy]) -> Iterator[Finding]:
    """Find images that need a newer macOS than a tag promises, another system, or do not say what they need."""

    def check(image: MachoImage) -> Iterator[Said]:
        if image.system != "macOS":
            yield f"is for {image.system}, not for macOS", ()
        elif image.minimum is None and image.kind in _LOADED:
            yield "does not say which macOS it needs (LC_BUILD_VERSION, LC_VERSION_MIN_MACOSX)", ()
        elif image.minimum is not None:
            for policy in policies:
                if image.cpu in policy.cpus and image.minimum > policy.floor_on(image.cpu):
                    yield f"needs macOS {_dotted(image.minimum)}, but {policy.promise_on(image.cpu)}", ()

    for path, macho in content.machos.items():
        yield from _say("system", path, macho, check)


def check_mac_libraries(content: WheelContents, policies: Sequence[MacPolicy]) -> Iterator[Finding]:
    """Find load commands that lead neither to a file of the wheel nor to a library that the system has.

    A weak one may lead to what only newer systems have, but nowhere else: what lies on somebody's machine by chance
    would be loaded there.
    """
    places = _search_places(content.machos)
    installed = {installed_path(path) for path in (*content.machos, *content.unread)}
    for path, macho in content.machos.items():

        def check(image: MachoImage, path: str = path) -> Iterator[Said]:
            for name in image.needed:
                if not _is_carried(name, path, places[path], installed):
                    lost = tuple(
                        p
                        for p in (*content.machos, *content.unread)
                        if posixpath.basename(p) == posixpath.basename(name)
                    )
                    yield from ((message, lost) for message in _explain(name, image, lost, policies))

        yield from _say("libraries", path, macho, check)


def _explain(name: str, image: MachoImage, lost: Sequence[str], policies: Sequence[MacPolicy]) -> Iterator[str]:
    asks = f"{'weakly loads' if name in image.optional else 'needs'} {name}"
    if _PYTHON.fullmatch(name):
        yield f"{asks}: a module must use the Python that loads it, and not load another"
    elif lost and name.startswith("@rpath/"):
        yield f"{asks}, which is in the wheel, but where no LC_RPATH leads"
    elif lost:
        yield f"{asks}, which is in the wheel, but not there"
    elif name.startswith("@executable_path"):
        yield f"{asks}, a path beside the program of Python, not beside this file"
    elif name.startswith("@"):
        yield f"{asks}, which is not in the wheel"
    elif not name.startswith("/"):
        yield f"{asks}, a path relative to wherever Python is started"
    elif name in image.optional:
        if not is_of_macos(name):
            yield f"{asks}, which is neither in the wheel nor macOS' own"
    else:
        yield from dict.fromkeys(f"needs {name}, {why}" for p in policies if (why := p.lacks(name, image.cpu)))


def find_external_install_names(content: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return, for each Mach-O file, the install names that it needs and the wheel does not carry."""
    places = _search_places(content.machos)
    installed = {installed_path(path) for path in (*content.machos, *content.unread)}
    return {
        path: tuple(name for name in macho.needed if not _is_carried(name, path, places[path], installed))
        for path, macho in content.machos.items()
    }


def check_mac_rpath(content: WheelContents) -> Iterator[Finding]:
    """Find LC_RPATH entries that are not relative to @loader_path, that leave the wheel, or that stand twice."""
    for path, macho in content.machos.items():
        folder = posixpath.dirname(installed_path(path))

        def check(image: MachoImage, folder: str = folder) -> Iterator[Said]:
            for entry, times in Counter(image.rpath).items():
                relative = _relative(entry)
                if relative is None:
                    yield f"LC_RPATH '{entry}' is not relative to @loader_path", ()
                elif posixpath.normpath(posixpath.join(folder, relative)).split("/")[0] == "..":
                    yield f"LC_RPATH '{entry}' leaves the wheel", ()
                if times > 1:
                    yield f"LC_RPATH '{entry}' stands there {times} times, which macOS 15.4 and newer refuse", ()

        yield from _say("rpath", path, macho, check)


def check_mac_names(content: WheelContents) -> Iterator[Finding]:
    """Find install names that are a place on the build machine."""

    def check(image: MachoImage) -> Iterator[Said]:
        if image.name.startswith("/") and not image.name.startswith(_PLACEHOLDER):
            yield f"its install name is a place on the build machine: {image.name}", ()

    for path, macho in content.machos.items():
        yield from _say("names", path, macho, check)


def check_mac_signature(content: WheelContents) -> Iterator[Finding]:
    """Find code signatures that do not hold, and files for arm64 without one, which that processor's kernel kills."""

    def check(image: MachoImage) -> Iterator[Said]:
        if image.signature:
            yield "its code signature does not hold", image.signature
        elif image.signature is None and image.kind in _LOADED and needs_signature(image.cpu):
            yield "has no code signature, without which macOS on arm64 loads nothing", ()

    for path, macho in content.machos.items():
        yield from _say("signature", path, macho, check)


def _say(check: str, path: str, macho: MachoFacts, judge: Callable[[MachoImage], Iterator[Said]]) -> Iterator[Finding]:
    """Give every finding of a file's images once, naming the image only where not all of them have it."""
    said: dict[Said, list[str]] = {}
    for image in macho.images:
        for judgement in judge(image):
            said.setdefault(judgement, []).append(image.cpu)
    for (message, evidence), cpus in said.items():
        whose = "" if len(cpus) == len(macho.images) else f"for {_join(cpus)}: "
        yield Finding(check=check, file=path, message=f"{whose}{message}", evidence=evidence)


def _is_carried(name: str, path: str, places: set[str], installed: set[str]) -> bool:
    return any(found in installed for found in _resolve(name, path, places))


def _resolve(name: str, path: str, places: set[str]) -> Iterator[str]:
    """Return the places in the wheel, once installed, where the loader checks for a needed name."""
    if name.startswith("@rpath/"):
        yield from (posixpath.normpath(posixpath.join(place, name.removeprefix("@rpath/"))) for place in places)
    elif (relative := _relative(name)) is not None:
        yield posixpath.normpath(posixpath.join(posixpath.dirname(installed_path(path)), relative))


def _relative(name: str) -> str | None:
    """Return what follows @loader_path, or None for a name that does not begin with it."""
    if name == "@loader_path" or name.startswith("@loader_path/"):
        return name.removeprefix("@loader_path").lstrip("/") or "."
    return None


def _search_places(machos: Mapping[str, MachoFacts]) -> dict[str, set[str]]:
    """Return the folders that @rpath stands for in each file: its own LC_RPATH, and those of whatever loads it."""
    installed = {installed_path(path): path for path in machos}
    places: dict[str, set[str]] = {path: set() for path in machos}
    for path, macho in machos.items():
        folder = posixpath.dirname(installed_path(path))
        relatives = [relative for entry in macho.rpath if (relative := _relative(entry)) is not None]
        places[path] |= {posixpath.normpath(posixpath.join(folder, relative)) for relative in relatives}
    changed = True
    while changed:
        changed = False
        for path, macho in machos.items():
            for name in macho.needed:
                for found in _resolve(name, path, places[path]):
                    loaded = installed.get(found)
                    if loaded is not None and not places[path] <= places[loaded]:
                        places[loaded] |= places[path]
                        changed = True
    return places


def _join(message: Sequence[str]) -> str:
    return " and ".join(sorted(message, reverse=True))


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
