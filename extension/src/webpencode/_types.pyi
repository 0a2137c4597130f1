"""Types of arguments, for type checkers only: at run time, this module does not exist, to keep the import fast."""

import os
from collections.abc import Sequence
from typing import Any, Literal, Protocol, SupportsIndex, TypeAlias, TypedDict

from typing_extensions import Buffer

Fit: TypeAlias = Literal["inside", "cover", "contain", "fill"]
Filter: TypeAlias = Literal["lanczos3", "lanczos2", "mitchell", "cubic", "linear", "area", "nearest"]
Preset: TypeAlias = Literal["default", "picture", "photo", "drawing", "icon", "text"]
Metadata: TypeAlias = Literal["icc", "exif", "xmp"]

class Readable(Protocol):
    """A binary file object that can be read."""

    def read(self) -> Buffer: ...

class Writable(Protocol):
    """A binary file object that can be written to."""

    def write(self, data: bytes, /) -> object: ...

class HasArrayInterface(Protocol):
    """An array with NumPy's array interface, or a Pillow image."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...

File: TypeAlias = str | os.PathLike[str] | Buffer | Readable
Source: TypeAlias = File | HasArrayInterface

class Options(TypedDict, total=False):
    """The options of encode(), for functions that pass them through."""

    width: SupportsIndex | None
    height: SupportsIndex | None
    fit: Fit
    filter: Filter
    upscale: bool
    quality: SupportsIndex
    lossless: bool
    near_lossless: SupportsIndex | None
    effort: SupportsIndex
    alpha_quality: SupportsIndex
    preset: Preset
    target_size: SupportsIndex | None
    sharp_yuv: bool
    keep: Sequence[Metadata] | None
    autorotate: bool
    background: Sequence[int] | None
    max_pixels: SupportsIndex
    animated: bool
    loop: SupportsIndex | None
    threads: SupportsIndex | None
