"""What Windows' loader will look for: architecture, the oldest system, and DLLs that are found without PATH."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents, installed_path
from everywheel.platforms.mac_windows_policy import WindowsPolicy

_PYTHON = re.compile(r"python3\d*t?(_d)?\.dll|libpypy[\d.]*-c\.dll")
_OF_ONE_PYTHON = re.compile(r"(?P<kind>cp|pp|pypy)(?P<version>\d+)(?P<flags>[a-z]*)")
# What code calls to add a folder to the DLLs' search path, or to load a DLL by its path before a module asks for it.
_FINDERS = frozenset(("add_dll_directory", "CDLL", "PyDLL", "WinDLL", "OleDLL", "LoadLibrary", "LoadLibraryExW"))
_MOST_SYMBOLS = 8


def check_windows_arch(content: WheelContents, policies: Sequence[WindowsPolicy]) -> Iterator[Finding]:
    """Find files for another processor than the platform tag says."""
    for policy in policies:
        for path, pe in content.pes.items():
            if pe.machine != policy.machine:
                message = f"built for {pe.machine}; {policy.tag} is {policy.machine}"
                yield Finding(check="arch", file=path, message=message)


def check_windows_system(content: WheelContents, policies: Sequence[WindowsPolicy]) -> Iterator[Finding]:
    """Find files that ask for a newer Windows than there is: no loader takes them."""
    for policy in policies[:1]:
        for path, pe in content.pes.items():
            if pe.minimum > policy.newest:
                message = f"asks for Windows {_dotted(pe.minimum)}; the newest calls itself {_dotted(policy.newest)}"
                yield Finding(check="system", file=path, message=message)


def check_python_dlls(content: WheelContents) -> Iterator[Finding]:
    """Find files that need another Python than the tags say; those of the stable ABI may need python3.dll alone."""
    wheel = content.wheel
    allowed = _find_pythons(wheel.python.split("."), wheel.abi.split("."))
    for path, pe in content.pes.items():
        for library in pe.needed:
            if not _PYTHON.fullmatch(library) or library in allowed:
                continue
            evidence = pe.imports[library][:_MOST_SYMBOLS]
            message = (
                f"needs {library}, but the wheel is tagged {wheel.python}-{wheel.abi}, whose is {' or '.join(allowed)}"
            )
            check = "abi3" if any(abi.startswith("abi3") for abi in wheel.abi.split(".")) else "tags"
            yield Finding(check=check, file=path, message=message, evidence=evidence)


def _find_pythons(pythons: Sequence[str], abis: Sequence[str]) -> tuple[str, ...]:
    """Return the DLLs of Python that a wheel of these tags may need."""
    found: list[str] = []
    for abi in abis:
        match = _OF_ONE_PYTHON.match(abi)
        matches = [match] if abi != "none" else [_OF_ONE_PYTHON.match(tag) for tag in pythons]
        if abi.startswith("abi3"):
            found.append(f"python3{abi.removeprefix('abi3')}.dll")
            continue
        for one in matches:
            if one is None or len(one["version"]) == 1:  # py3: any Python, of which there is only one DLL
                found.append("python3.dll")
            elif one["kind"] == "cp":
                free = "t" if "t" in one["flags"] else ""
                found += [f"python{one['version']}{free}.dll", f"python3{free}.dll"]
            else:
                found.append(f"libpypy{one['version'][0]}.{one['version'][1:]}-c.dll")
    return tuple(dict.fromkeys(found))


def check_dlls(content: WheelContents, policies: Sequence[WindowsPolicy]) -> Iterator[Finding]:
    """Find DLLs that are neither in the wheel, nor of Windows, nor of Python; and those in the wheel that are not found.

    Python checks for the DLLs of a module in its own folder, where `os.add_dll_directory` was told to, and in Windows'
    own: never in PATH. What a module's DLLs need is looked for in the same places. What is looked for on first use alone
    may be missing where it is a newer Windows' or a driver's.
    """
    installed = {installed_path(path).lower(): path for path in (*content.pes, *content.unread)}
    held = (*content.libraries, *content.unread)
    folders = tuple(sorted({posixpath.dirname(installed_path(path)) for path in held}))
    seen: set[tuple[str, str]] = set()
    reached: set[str] = set()
    for root in [*content.modules, *(path for path in content.pes if path not in content.modules)]:
        if root not in content.pes or root in reached:
            continue
        home = posixpath.dirname(installed_path(root))
        places = (home, *_find_added(content, home, folders))
        waiting, known = [root], {root}
        while waiting:
            path = waiting.pop()
            for library in content.pes[path].needed:
                found = [installed[p] for place in places if (p := posixpath.join(place, library).lower()) in installed]
                if found:
                    waiting += [found[0]] if found[0] in content.pes and found[0] not in known else []
                    known.add(found[0])
                elif not _PYTHON.fullmatch(library) and (path, library) not in seen:
                    seen.add((path, library))
                    yield from _explain(content, path, library, policies)
        reached |= known


def _explain(content: WheelContents, path: str, library: str, policies: Sequence[WindowsPolicy]) -> Iterator[Finding]:
    lost = tuple(p for p in (*content.pes, *content.unread) if posixpath.basename(p).lower() == library)
    late = library in content.pes[path].delayed
    lacking = [p.tag for p in policies if not (p.may_provide(library) if late else p.provides(library))]
    evidence = content.pes[path].imports[library][:_MOST_SYMBOLS]
    message = ""
    if lost:
        message = f"needs {library}, which is in the wheel, but where no os.add_dll_directory() leads"
        evidence = lost
    elif lacking and late:
        message = f"needs {library} on first use, which is neither in the wheel nor Windows' own nor a driver's"
    elif lacking:
        message = f"needs {library}, which is not in the wheel and not on every {lacking[0]} system"
    if message:
        yield Finding(check="libraries", file=path, message=message, evidence=evidence)


def find_external_dlls(content: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return, for each PE file, the DLLs that it needs and the wheel does not carry."""
    carried = {posixpath.basename(path).lower() for path in (*content.pes, *content.unread)}
    return {path: tuple(name for name in pe.needed if name not in carried) for path, pe in content.pes.items()}


def _find_added(content: WheelContents, home: str, folders: Sequence[str]) -> Iterator[str]:
    """Return those folders with DLLs that Python code beside a module, or in a package around it, tells Windows of.

    Code counts that calls for it and names the folder, as delvewheel's patch does, or has nothing to name but its own.
    """
    for file, content_file in content.wheel.files.items():
        folder = posixpath.dirname(installed_path(file))
        around = folder == home or (folder and home.startswith(f"{folder}/"))
        if file.endswith(".py") and around and any(name.encode() in content_file.data for name in _FINDERS):
            named = _read_calls(content_file.data)
            yield from (f for f in folders if named and (f == folder or posixpath.basename(f) in named))


def _read_calls(source: bytes) -> set[str]:
    """Return the names in the strings of Python code that calls a finder of DLLs; nothing where none is called."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last tells code that nests too deeply
        return set()
    called = {
        n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id
        for n in nodes
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute | ast.Name)
    }
    if not called & _FINDERS:
        return set()
    strings = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return {"", *(part for string in strings for part in re.split(r"[/\\]", string))}


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
