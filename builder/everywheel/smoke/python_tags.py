"""The wheels that an interpreter supports by their Python and ABI tags (PEP 425), on any platform."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.tags import Tag, compatible_tags, cpython_tags, sys_tags
from packaging.utils import parse_wheel_filename


def is_for_python(wheel: str, version: str) -> bool:
    """Return whether a CPython of a version such as `3.13`, or `3.14t` without a GIL, can install a wheel (PEP 425)."""
    release = version.removesuffix("t")
    major, minor = map(int, release.split(".")[:2])
    interpreter = f"cp{major}{minor}"
    tags = (
        *cpython_tags((major, minor), abis=[f"{interpreter}{version[len(release) :]}"], platforms=["any"]),
        *compatible_tags((major, minor), interpreter=interpreter, platforms=["any"]),
    )
    return _has_tag(wheel, tags)


def is_for_this_python(wheel: str) -> bool:
    """Return whether the running Python supports a wheel's Python and ABI tags (PEP 425), for any platform tag."""
    return _has_tag(wheel, sys_tags())


def _has_tag(wheel: str, tags: Iterable[Tag]) -> bool:
    """Return whether an interpreter supports the Python and ABI parts of one of a wheel's tags."""
    supported = {(tag.interpreter, tag.abi) for tag in tags}
    return any((tag.interpreter, tag.abi) in supported for tag in parse_wheel_filename(wheel)[-1])
