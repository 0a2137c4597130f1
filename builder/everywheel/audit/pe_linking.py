"""Checks of how Windows loads a wheel's PE files: architecture, oldest Windows, and DLLs that are found without PATH."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents, installed_path

PYTHON_DLL = re.compile(r"python3\d*t?(_d)?\.dll|libpypy[\d.]*-c\.dll")
_PYTHON_TAG = re.compile(r"(?P<kind>cp|pp|pypy)(?P<version>\d+)(?P<flags>[a-z]*)")
# Functions that add a directory to the DLL search path, or load a DLL by its path before a module needs it.
_DLL_FUNCTIONS = frozenset(("add_dll_directory", "CDLL", "PyDLL", "WinDLL", "OleDLL", "LoadLibrary", "LoadLibraryExW"))
_MAX_SYMBOLS = 8


def check_windows_arch(contents: WheelContents) -> Iterator[Finding]:
    """Find files for another processor than that of the platform tag."""
    for policy in contents.windows_policies:
        for path, pe in contents.pes.items():
            if pe.machine != policy.machine:
                message = f"built for {pe.machine}; {policy.tag} requires {policy.machine}"
                yield Finding(check="arch", file=path, message=message)


def check_windows_system(contents: WheelContents) -> Iterator[Finding]:
    """Find files that require a newer Windows than exists, which no loader accepts."""
    for policy in contents.windows_policies[:1]:
        for path, pe in contents.pes.items():
            if pe.minimum > policy.newest:
                required, newest = _format_version(pe.minimum), _format_version(policy.newest)
                message = f"requires Windows {required}; the newest version is {newest}"
                yield Finding(check="system", file=path, message=message)


def check_python_dlls(contents: WheelContents) -> Iterator[Finding]:
    """Find files that need another Python than the tags name; those of the stable ABI may need only python3.dll."""
    wheel = contents.wheel
    allowed = _find_python_dlls(wheel.python.split("."), wheel.abi.split("."))
    for path, pe in contents.pes.items():
        for library in pe.needed:
            if not PYTHON_DLL.fullmatch(library) or library in allowed:
                continue
            tags = f"{wheel.python}-{wheel.abi}"
            message = f"needs {library}, but the wheel is tagged {tags}, which allows {' or '.join(allowed)}"
            check = "abi3" if any(abi.startswith("abi3") for abi in wheel.abi.split(".")) else "tags"
            yield Finding(check=check, file=path, message=message, evidence=pe.imports[library][:_MAX_SYMBOLS])


def _find_python_dlls(pythons: Sequence[str], abis: Sequence[str]) -> tuple[str, ...]:
    """Return the DLLs of Python that a wheel with these tags may need."""
    allowed: list[str] = []
    for abi in abis:
        if abi.startswith("abi3"):
            allowed.append(f"python3{abi.removeprefix('abi3')}.dll")
            continue
        for tag in [abi] if abi != "none" else pythons:
            match = _PYTHON_TAG.match(tag)
            if match is None or len(match["version"]) == 1:  # py3: any Python 3, for which there is one DLL
                allowed.append("python3.dll")
            elif match["kind"] == "cp":
                suffix = "t" if "t" in match["flags"] else ""
                allowed += [f"python{match['version']}{suffix}.dll", f"python3{suffix}.dll"]
            else:
                allowed.append(f"libpypy{match['version'][0]}.{match['version'][1:]}-c.dll")
    return tuple(dict.fromkeys(allowed))


def check_dlls(contents: WheelContents) -> Iterator[Finding]:
    """Find needed DLLs that are neither in the wheel nor part of Windows or Python, or that are not found in the wheel.

    Python searches for the DLLs of a module in the module's own directory, in the directories of
    `os.add_dll_directory` and in those of Windows, never in PATH. The DLLs that a module's DLLs need are searched for in
    the same directories. A delay-loaded DLL may be missing if it belongs to a newer Windows or to a driver.
    """
    reported: set[tuple[str, str]] = set()
    reached: set[str] = set()
    for root in [*contents.modules, *(path for path in contents.pes if path not in contents.modules)]:
        if root in contents.pes and root not in reached:
            loaded, missing = _resolve_dlls(contents, root)
            reached |= loaded
            for path, library in missing:
                if (path, library) not in reported:
                    reported.add((path, library))
                    yield from _describe_missing(contents, path, library)


def _resolve_dlls(contents: WheelContents, root: str) -> tuple[set[str], list[tuple[str, str]]]:
    """Return the files that are loaded with a file, and a pair of file and DLL for each DLL missing from the wheel."""
    installed = {installed_path(path).lower(): path for path in (*contents.pes, *contents.unread)}
    module_directory = posixpath.dirname(installed_path(root))
    directories = (module_directory, *_find_dll_directories(contents, module_directory))
    pending, loaded, missing = [root], {root}, []
    while pending:
        path = pending.pop()
        for library in contents.pes[path].needed:
            candidates = [posixpath.join(directory, library).lower() for directory in directories]
            dll = next((installed[candidate] for candidate in candidates if candidate in installed), None)
            if dll is None:
                missing += [] if PYTHON_DLL.fullmatch(library) else [(path, library)]
            elif dll not in loaded:
                loaded.add(dll)
                pending += [dll] if dll in contents.pes else []
    return loaded, missing


def _describe_missing(contents: WheelContents, path: str, library: str) -> Iterator[Finding]:
    elsewhere = tuple(p for p in (*contents.pes, *contents.unread) if posixpath.basename(p).lower() == library)
    delayed = library in contents.pes[path].delayed
    policies = contents.windows_policies
    missing = [p.tag for p in policies if not (p.may_provide(library) if delayed else p.provides(library))]
    symbols = contents.pes[path].imports[library][:_MAX_SYMBOLS]
    if elsewhere:
        message = f"needs {library}, which is in the wheel, but in a directory without os.add_dll_directory()"
        yield Finding(check="libraries", file=path, message=message, evidence=elsewhere)
    elif missing and delayed:
        message = f"needs {library} on first use, which is neither in the wheel nor part of Windows or a driver"
        yield Finding(check="libraries", file=path, message=message, evidence=symbols)
    elif missing:
        message = f"needs {library}, which is not in the wheel and not on every {missing[0]} system"
        yield Finding(check="libraries", file=path, message=message, evidence=symbols)


def find_external_dlls(contents: WheelContents) -> dict[str, tuple[str, ...]]:
    """Return, for each PE file, the needed DLLs that are not in the wheel."""
    names = {posixpath.basename(path).lower() for path in (*contents.pes, *contents.unread)}
    return {path: tuple(name for name in pe.needed if name not in names) for path, pe in contents.pes.items()}


def _find_dll_directories(contents: WheelContents, module_directory: str) -> Iterator[str]:
    """Yield the directories of DLLs that Python code in a module's directory, or in a parent package, adds.

    Code counts if it calls a function of _DLL_FUNCTIONS and names the directory in a string, as delvewheel's patch does,
    or if it is in that directory.
    """
    libraries = (*contents.libraries, *contents.unread)
    directories = sorted({posixpath.dirname(installed_path(path)) for path in libraries})
    for path, file in contents.wheel.files.items():
        package = posixpath.dirname(installed_path(path))
        is_parent = package == module_directory or (package and module_directory.startswith(f"{package}/"))
        if path.endswith(".py") and is_parent and any(name.encode() in file.data for name in _DLL_FUNCTIONS):
            names = _read_dll_calls(file.data)
            yield from (d for d in directories if names and (d == package or posixpath.basename(d) in names))


def _read_dll_calls(source: bytes) -> set[str]:
    """Return the path components in the strings of Python code that calls a DLL function; empty without such a call."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # MemoryError: code that nests too deeply
        return set()
    called = {
        n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id
        for n in nodes
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute | ast.Name)
    }
    if not called & _DLL_FUNCTIONS:
        return set()
    strings = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return {"", *(part for string in strings for part in re.split(r"[/\\]", string))}


def _format_version(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
