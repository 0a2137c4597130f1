"""Compatible: which wheels the Python takes that runs this."""

from __future__ import annotations

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename


def is_for_this_python(filename: str) -> bool:
    """Tell whether a wheel's Python and ABI tags take this very Python (PEP 425), whatever they say of the platform."""
    ours = {(tag.interpreter, tag.abi) for tag in sys_tags()}
    return any((tag.interpreter, tag.abi) in ours for tag in parse_wheel_filename(filename)[-1])
