"""From image bytes, files or arrays to WebP, through libvips and libwebp."""

from __future__ import annotations

import os
from collections import namedtuple
from operator import index

from webpencode import _webpencode
from webpencode._files import write_all, write_file
from webpencode._webpencode import (
    EncoderError,
    LimitExceededError,
    MissingLibraryError,
    Pixels,
    UnreadableImageError,
    UnsupportedFormatError,
    WebPEncodeError,
    formats,
)

# As typing has it, which takes as long to import as all the rest here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from typing import Any, NamedTuple, SupportsIndex, TypeGuard, Unpack

    from webpencode._types import File, Fit, Kept, Options, Preset, Source, Writable

__all__ = [
    "EncoderError",
    "Info",
    "LimitExceededError",
    "MissingLibraryError",
    "Pixels",
    "UnreadableImageError",
    "UnsupportedFormatError",
    "WebPEncodeError",
    "decode",
    "encode",
    "encode_many",
    "encode_to",
    "formats",
    "probe",
    "versions",
]

MAX_PIXELS = 16383 * 16383
"""As many pixels as a WebP file can hold: an image with more is refused before memory is taken, unless it is allowed."""

_MODES = frozenset({"L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I;16N"})

if TYPE_CHECKING:

    class Info(NamedTuple):
        """What the header of an image says; width and height in pixels, as they are stored."""

        format: str
        width: int
        height: int
        pages: int
        has_alpha: bool
        icc: bool
        orientation: int

else:
    Info = namedtuple("Info", ["format", "width", "height", "pages", "has_alpha", "icc", "orientation"])
    Info.__doc__ = "What the header of an image says; width and height in pixels, as they are stored."


def encode(
    source: Source,
    *,
    width: SupportsIndex | None = None,
    height: SupportsIndex | None = None,
    fit: Fit = "inside",
    upscale: bool = False,
    quality: SupportsIndex = 75,
    lossless: bool = False,
    near_lossless: SupportsIndex | None = None,
    effort: SupportsIndex = 4,
    alpha_quality: SupportsIndex = 100,
    preset: Preset = "default",
    target_size: SupportsIndex | None = None,
    sharp_yuv: bool = False,
    keep: Sequence[Kept] | None = ("icc", "exif", "xmp"),
    autorotate: bool = True,
    background: Sequence[int] | None = None,
    max_pixels: SupportsIndex = MAX_PIXELS,
    animated: bool = True,
    loop: SupportsIndex | None = None,
    threads: SupportsIndex | None = None,
) -> bytes:
    """Return an image as the bytes of a WebP file.

    width and height are the sides, in pixels, of a box. fit says how the image gets into it: 'inside' keeps its shape,
    'cover' fills the box and cuts off what stands over, 'contain' pads (with background, or transparently), 'fill'
    stretches; without upscale nothing is made larger. quality goes from 0 to 100; with lossless, or near_lossless (0
    to 100, where 100 changes no pixel), it is the effort spent on a small file. effort goes from 0 (fast) to 6 (small),
    target_size is in bytes, for lossy files alone. keep names what of the metadata goes on; without 'icc' colours are
    converted to sRGB. background replaces transparency. Animations stay animations unless animated is false; loop is
    how often they play, 0 for ever. threads is how many may work on this image.

    Raises WebPEncodeError for an input that cannot be encoded: UnsupportedFormatError, UnreadableImageError,
    LimitExceededError or EncoderError; MemoryError; OSError for a path that cannot be read; and RuntimeError in a
    child made by fork() from a process that has used libvips before.
    """
    if target_size is not None and (lossless or near_lossless is not None):
        # libwebp would not look at it.
        raise ValueError("target_size has no meaning with lossless or near_lossless")
    return _webpencode.encode(
        _read(source),
        (width, height, fit, upscale, keep, autorotate, background, max_pixels, animated, threads),
        (quality, lossless, near_lossless, effort, alpha_quality, preset, target_size, sharp_yuv, loop),
    )


def encode_to(source: Source, destination: str | os.PathLike[str] | Writable, **options: Unpack[Options]) -> int:
    """Encode to a path or a binary file object; return how many bytes were written. Options are those of encode().

    A path gets the whole file or, after an error, stays as it was. A file that is replaced leaves its permissions behind.
    """
    if _is_path(destination):
        return write_file(encode(source, **options), destination)
    if not hasattr(destination, "write"):
        raise TypeError(f"destination must be a path or a binary file object, not {type(destination).__name__}")
    return write_all(encode(source, **options), destination)


def encode_many(
    sources: Iterable[Source], *, workers: SupportsIndex | None = None, **options: Unpack[Options]
) -> Generator[bytes | Exception, None, None]:
    """Encode one image after the other on several cores; give the results in the order of the sources.

    An image that fails gives its exception as a value, without a traceback, which would keep the image in memory: encode()
    raises the same in full. Sources are taken as they are needed: a few more than there are workers (as many as processors,
    unless said) are in memory at any time. Options are those of encode(); one that makes no sense is told at once. What the
    sources themselves raise comes after the results of those before. close() ends it early.
    """
    if isinstance(sources, bytes) or _is_path(sources) or _is_readable(sources) or _holds_one(sources):
        raise TypeError("sources must be an iterable of images, not one: encode() takes one")
    if workers is not None and not hasattr(workers, "__index__"):
        raise TypeError(f"workers must be an integer or None, not {type(workers).__name__}")
    count = _count_processors() if workers is None else index(workers)
    if count < 1:
        raise ValueError(f"workers must be at least 1, not {count}")
    # Many images are faster one thread each than each on many threads.
    settings: dict[str, Any] = {"threads": 1, **options}
    if hasattr(settings.get("keep"), "__next__"):
        # Every image asks for it.
        settings["keep"] = tuple(settings["keep"])
    check_options(**settings)
    # Threads cost as much to import as all the rest, and few need them.
    from webpencode._pool import encode_in_pool

    def encode_one(source: Source) -> bytes:
        return encode(source, **settings)

    return encode_in_pool(encode_one, iter(sources), count)


def check_options(**options: Any) -> None:
    """Raise what encode() raises for options that make no sense; no image is made for that."""
    try:
        encode(_Unread(), **options)
    except _OptionsMakeSenseError:
        return


class _OptionsMakeSenseError(Exception):
    pass


class _Unread:
    """An array that nobody looks at before all options have been read."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        raise _OptionsMakeSenseError


def _count_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def probe(source: File) -> Info:
    """Return what the header of an image says, without decoding its pixels. Raises what encode() raises.

    source is an image file: its bytes, a path or a binary file object. Arrays and images of Pillow, which have no header,
    raise TypeError.
    """
    return Info(*_webpencode.probe(_read_file(source, "probe")))


def decode(
    source: File,
    *,
    width: SupportsIndex | None = None,
    height: SupportsIndex | None = None,
    fit: Fit = "inside",
    upscale: bool = False,
    autorotate: bool = True,
    background: Sequence[int] | None = None,
    max_pixels: SupportsIndex = MAX_PIXELS,
    threads: SupportsIndex | None = None,
) -> Pixels:
    """Return an image, or the first frame of an animation, as 8-bit sRGB or RGBA pixels, for whoever reads arrays.

    source is an image file, as for probe(); options are those of encode(), which it raises the errors of.
    """
    shape = (width, height, fit, upscale, None, autorotate, background, max_pixels, False, threads)
    return _webpencode.decode(_read_file(source, "decode"), shape)


def versions() -> dict[str, str]:
    """Return the versions of this package and of the libraries that it uses."""
    import importlib.metadata

    return {"webpencode": importlib.metadata.version("webpencode"), **_webpencode.versions()}


def _read(source: Any) -> Any:
    """Read what a path or a file object stands for; anything else is bytes or an array already."""
    if _is_path(source):
        with open(source, "rb") as file:
            return file.read()
    if _is_pillows(source):
        # The samples of other modes are no colours.
        if source.mode not in _MODES:
            raise TypeError(f"an image of mode {source.mode!r} must be converted first, to 'RGB' or 'RGBA'")
        return source
    read = getattr(source, "read", None)
    if read is None:
        return source
    # What has a buffer is taken as one, also if it can be read like a file (mmap).
    try:
        return memoryview(source)
    except TypeError:
        pass
    return read()


def _is_path(source: Any) -> TypeGuard[str | os.PathLike[str]]:
    # isinstance() with os.PathLike takes a lock, which on a CPython without a GIL all threads would wait for, and which a
    # child made by fork() can find taken by a thread that it does not have.
    return isinstance(source, str) or hasattr(source, "__fspath__")


def _read_file(source: Any, caller: str) -> Any:
    """Read an image file, which neither an array nor an image of Pillow's is."""
    if not isinstance(source, bytes) and _holds_pixels(source):
        raise TypeError(f"{caller}() reads the bytes of an image file, not an array of pixels")
    return _read(source)


def _holds_pixels(source: Any) -> bool:
    if _is_pillows(source):
        return True
    try:
        with memoryview(source) as view:
            if view.ndim > 1:
                return True
            # An array of bytes in a row may have come from a file.
            is_file = view.ndim == 1 and view.itemsize == 1
    except (BufferError, TypeError, ValueError):
        is_file = False
    return not is_file and hasattr(source, "__array_interface__")


def _is_pillows(source: Any) -> bool:
    return isinstance(getattr(source, "mode", None), str) and hasattr(source, "getbands")


def _holds_one(sources: Any) -> bool:
    """Tell whether these are the bytes of one file, or the array of one picture rather than of several."""
    if isinstance(sources, Pixels):
        return True
    try:
        with memoryview(sources) as view:
            # An array of objects or of texts may name files.
            is_numbers = view.format.lstrip("@=<>!") in tuple("?bBcdefhHiIlLnNqQ")
            shape = view.shape or ()
            return is_numbers and (len(shape) < 3 or (len(shape) == 3 and shape[2] <= 4))
    except (BufferError, TypeError, ValueError):
        return False


def _is_readable(source: Any) -> bool:
    return hasattr(source, "read") or _is_pillows(source)
