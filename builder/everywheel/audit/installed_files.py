"""The check of where installers write the files: each path once, and for this distribution only (PEP 427, PEP 491)."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import canonicalize_name

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents, installed_path

_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})
_METADATA = (".dist-info", ".egg-info")


def check_installed_files(contents: WheelContents) -> Iterator[Finding]:
    """Find files that replace others when they are installed, that belong to another distribution, or that pip refuses."""
    wheel = contents.wheel
    sources: dict[str, str] = {}
    for file in sorted(wheel.files, key=lambda file: (installed_path(file) != file, file)):
        top, _, rest = file.partition("/")
        is_data = top.endswith(".data") and bool(rest)
        if is_data and (fault := _find_data_fault(top, rest, wheel.name)):
            yield Finding(check="archive", file=file, message=fault)
            continue
        path = installed_path(file)
        name = path.partition("/")[0].lower()
        if name.endswith(_METADATA) and not file.startswith(f"{wheel.dist_info}/"):
            message = f"is installed into {path.partition('/')[0]}, which is not the directory of this distribution"
            yield Finding(check="archive", file=file, message=message)
        first = sources.setdefault(path.casefold(), file)
        if first != file and path != file:
            yield Finding(check="archive", file=file, message=f"is installed to the same path as {first}")


def _find_data_fault(top: str, rest: str, name: str) -> str | None:
    scheme, _, path = rest.partition("/")
    if canonicalize_name(top.removesuffix(".data").rpartition("-")[0]) != canonicalize_name(name):
        return f"is in {top}, the data directory of another distribution"
    if scheme not in _SCHEMES or not path:
        return f"is in '{scheme}' of {top}, which installers do not know"
    return None
