"""Packages that only some commands require, and that `pip install everywheel` does not install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from everywheel.errors import MachineError


@contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Raise MachineError, which names the extra, when an import of the body finds no such package."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MachineError(
            f"the package {(error.name or '').partition('.')[0]} is not installed",
            hint=f"install everywheel with its extra `{extra}`: `pip install 'everywheel[{extra}]'`",
        ) from None
