"""Checks of the tags in the file name against the WHEEL file, METADATA, the binaries and the modules' names."""

from __future__ import annotations

import itertools
import math
import posixpath
import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name, canonicalize_version

from everywheel.audit.platform_tags import check_platform_tags
from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import MODULE_SUFFIX, PYPY_INIT, WheelContents
from everywheel.wheels.wheel import split_filename

_LONGEST_VERSION = 200  # characters; packaging fails on numbers of over 4,300 digits
_FIRST_ABI3T = 15  # 3.15 is the first CPython that imports modules named `.abi3t.so`
_MAX_TAGS = 10_000  # in one compressed tag set (PEP 425); a larger set is compared without expanding it


def check_tags(contents: WheelContents) -> Iterator[Finding]:
    """Find tags that contradict each other, the WHEEL file, METADATA, the binaries or the modules' names."""
    yield from _check_wheel_file(contents)
    yield from _check_metadata(contents)
    yield from check_platform_tags(contents)
    for path in contents.binaries:
        yield from _check_module_name(contents, path)


def _check_wheel_file(contents: WheelContents) -> Iterator[Finding]:
    wheel = contents.wheel
    path = f"{wheel.dist_info}/WHEEL"
    if path not in wheel.files:
        return
    tags = {tag for line in contents.wheel_file.get_all("Tag", []) for tag in _expand_tag(line)}
    if tags != set(wheel.tags):
        evidence = (f"WHEEL:     {', '.join(sorted(tags))}", f"file name: {', '.join(sorted(wheel.tags))}")
        message = "the tags differ from those in the file name"
        yield Finding(check="tags", file=path, message=message, evidence=evidence)
    version = contents.wheel_file.get("Wheel-Version", "1.0").strip()
    if version.partition(".")[0] != "1":
        message = f"Wheel-Version is '{version[:20]}', and installers read 1.0"
        yield Finding(check="tags", file=path, message=message)
    pure = contents.wheel_file.get("Root-Is-Purelib", "").strip().lower()
    if pure not in ("true", "false"):
        yield Finding(check="tags", file=path, message="Root-Is-Purelib is neither true nor false")
    elif contents.binaries and pure == "true":
        message = "Root-Is-Purelib is true, but the wheel contains compiled files"
        yield Finding(check="tags", file=path, message=message)


def _expand_tag(line: str) -> set[str]:
    sets = [part.split(".") for part in line.split("-")]
    if math.prod(len(names) for names in sets) > _MAX_TAGS:
        return {line}
    return {"-".join(tag) for tag in itertools.product(*sets)}


def _check_metadata(contents: WheelContents) -> Iterator[Finding]:
    path = f"{contents.wheel.dist_info}/METADATA"
    if path not in contents.wheel.files:
        return
    for field in ("Name", "Version"):
        if len(contents.metadata.get_all(field, [])) > 1:
            yield Finding(check="tags", file=path, message=f"{field} is repeated")
    expected_name, expected_version, *_ = split_filename(contents.path.name)
    name, version = contents.metadata.get("Name", ""), contents.metadata.get("Version", "")
    if canonicalize_name(name) != canonicalize_name(expected_name):
        message = f"Name is '{name}', but the file name has '{expected_name}'"
        yield Finding(check="tags", file=path, message=message)
    if len(version) > _LONGEST_VERSION or canonicalize_version(version) != canonicalize_version(expected_version):
        message = f"Version is '{version[:_LONGEST_VERSION]}', but the file name has '{expected_version}'"
        yield Finding(check="tags", file=path, message=message)


def _check_module_name(contents: WheelContents, path: str) -> Iterator[Finding]:
    name = posixpath.basename(path)
    match = MODULE_SUFFIX.search(name)
    if suffix := _find_foreign_suffix(contents, path):
        message = f"has a name that ends with {suffix}, which Python on {contents.wheel.platform} does not import"
        yield Finding(check="tags", file=path, message=message)
        return
    if match is None:
        yield from _check_plain_name(contents, path)
        return
    if match["version"] and not (match["linux"] or match["mac"]):
        message = "is named without a platform: Python does not import it under that name"
        yield Finding(check="tags", file=path, message=message)
    wheel, module = contents.wheel, name[: match.start()]
    if module == "__init__":  # a package that is compiled as a whole has the function of its directory
        module = posixpath.basename(posixpath.dirname(path)) or module
    binary = contents.binaries[path]
    is_imported = module in binary.module_names or f"{PYPY_INIT}{module}" in binary.exports
    if module.isascii() and not is_imported and not contents.is_opened(path):
        message = f"does not export PyInit_{module}, so Python cannot import it"
        if not binary.exports:
            message += "; functions for ctypes or cffi belong in `exports`"
        yield Finding(check="tags", file=path, message=message)
    yield from _check_module_platform(contents, path, match)
    abis, pythons = wheel.abi.split("."), wheel.python.split(".")
    if match["abi"]:
        yield from _check_stable_name(contents, path, match)
        return
    version, pypy = match["version"] or match["pyd_version"], match["pypy"] or match["pypy_pyd"]
    tag = f"cp{version}{match['flags'] or match['pyd_flags'] or ''}" if version else (pypy or "").replace("-", "_")
    tags = pythons if "none" in abis else abis
    if tag and tag not in tags and not (pypy and f"pp{pypy.partition('-')[0].removeprefix('pypy')}" in tags):
        message = f"is for {tag} only, but the wheel is tagged {wheel.python}-{wheel.abi}"
        yield Finding(check="tags", file=path, message=message)


def _find_foreign_suffix(contents: WheelContents, path: str) -> str:
    """Return the end of a module's name that Pythons on the wheel's systems do not import; else an empty string.

    CPython imports `.pyd` on Windows and `.so` on all other systems. The platform in a name is checked elsewhere.
    """
    stem, suffix = posixpath.splitext(posixpath.basename(path))
    match = MODULE_SUFFIX.search(path)
    has_platform = match is not None and (match["linux"] or match["mac"] or match["windows"])
    module, folder = stem.partition(".")[0], posixpath.dirname(path)
    if has_platform or module not in contents.binaries[path].module_names:
        return ""
    # A library may contain a module that another file has under its name.
    has_other = any(
        posixpath.dirname(other) == folder and other != path and module in binary.module_names
        for other, binary in contents.binaries.items()
    )
    imported = {".pyd" if system == "windows" else ".so" for system in contents.systems}
    is_foreign = imported and suffix in (".so", ".pyd", ".dll", ".dylib") and suffix not in imported
    return suffix if is_foreign and not (has_other and suffix in (".dll", ".dylib")) else ""


def _check_stable_name(contents: WheelContents, path: str, match: re.Match[str]) -> Iterator[Finding]:
    """Compare the suffix of a module of the stable ABI with the Pythons that import it (PEP 803).

    From 3.15 on, CPython imports `.abi3t.so` and names with a platform (`.abi3-x86_64-linux-gnu.so`); without the GIL, it
    does not import `.abi3.so`.
    """
    wheel = contents.wheel
    if "none" in wheel.abi.split("."):
        message = f"is named as a module of the stable ABI, but the wheel's ABI tag is '{wheel.abi}'"
        yield Finding(check="tags", file=path, message=message)
        return
    versions = [int(tag[1]) for tag in (re.fullmatch(r"cp3(\d+)", python) for python in wheel.python.split(".")) if tag]
    pythons = ""
    is_new = match["abi"] == "abi3t" or match["linux"] or match["mac"]
    if is_new and min(versions, default=_FIRST_ABI3T) < _FIRST_ABI3T:
        pythons = f"CPython 3.{_FIRST_ABI3T} and later"
    elif match["abi"] == "abi3" and contents.is_abi3t:
        pythons = "CPython with the GIL"
    if pythons:
        message = f"is named as a module for {pythons}, but the wheel is tagged {wheel.python}-{wheel.abi}"
        yield Finding(check="tags", file=path, message=message)


def _check_plain_name(contents: WheelContents, path: str) -> Iterator[Finding]:
    """Check a name that ends with `.so` only: other files than modules may also contain functions of modules."""
    module, suffix = posixpath.splitext(posixpath.basename(path))
    names = contents.binaries[path].module_names
    if suffix != ".so" or not names or module.startswith("lib"):
        return
    first, _, rest = module.partition(".")
    if rest.startswith(("abi", "cpython-")) and first in names:
        message = f"has a name that ends with .{rest}.so, which no Python imports"
        yield Finding(check="tags", file=path, message=message)
    elif not rest and module.isascii() and module not in names:
        message = f"exports PyInit_{names[0]}, but not PyInit_{module}, so Python cannot import it"
        yield Finding(check="tags", file=path, message=message)


def _check_module_platform(contents: WheelContents, path: str, match: re.Match[str]) -> Iterator[Finding]:
    """Compare the platform in a module's file name with the tags: Python imports only names of its own platform."""
    policies = contents.strictest_policies
    expected = {f"{policy.arch.gnu_cpu}-linux-{policy.arch.abi(policy.libc)}" for policy in policies}
    module_platform, matches_tags = "", True
    if match["linux"] and policies:
        module_platform, matches_tags = match["linux"], expected == {match["linux"]}
    elif match["linux"]:
        module_platform, matches_tags = "Linux", contents.systems <= {"linux"}
    elif match["mac"]:
        module_platform, matches_tags = "macOS", contents.systems <= {"darwin"}
    elif match["windows"]:
        module_platform, matches_tags = match["windows"], match["windows"] in contents.platforms
    if not matches_tags:
        message = f"is named as a module for {module_platform}, but the wheel is tagged {contents.wheel.platform}"
        evidence = tuple(f"expected: {name}" for name in sorted(expected - {module_platform}))
        yield Finding(check="tags", file=path, message=message, evidence=evidence)
