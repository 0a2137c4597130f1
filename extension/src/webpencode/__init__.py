"""Encode image files, bytes and arrays as WebP, with libvips and libwebp."""

from __future__ import annotations

import os
from collections import namedtuple
from operator import index

from webpencode import _webpencode
from webpencode._files import write_all, write_file
from webpencode._processors import count_processors, find_default_threads
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

# Like typing.TYPE_CHECKING; importing typing takes as long as importing this whole package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from typing import Any, NamedTuple, SupportsIndex, TypeGuard, Unpack

    from webpencode._types import File, Filter, Fit, Metadata, Options, Preset, Source, Writable

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
"""Default of max_pixels: the number of pixels of the largest WebP image. Larger images are rejected before allocation."""

# Read now: it takes a tenth of the time for an icon, and a process may lose access to its quota.
_DEFAULT_THREADS = find_default_threads()

_MODES = frozenset({"L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I;16N"})

if TYPE_CHECKING:

    class Info(NamedTuple):
        """The header of an image file; width and height are in pixels, as stored, before rotation.

        A color profile (`icc`) that is not `usable_icc` is damaged: it is ignored, and the colors are read as sRGB.
        """

        format: str
        width: int
        height: int
        pages: int
        has_alpha: bool
        icc: bool
        orientation: int
        usable_icc: bool = False

else:
    _FIELDS = ["format", "width", "height", "pages", "has_alpha", "icc", "orientation", "usable_icc"]
    Info = namedtuple("Info", _FIELDS, defaults=[False])
    Info.__doc__ = "The header of an image file; width and height are in pixels, as stored, before rotation."


def encode(
    source: Source,
    *,
    width: SupportsIndex | None = None,
    height: SupportsIndex | None = None,
    fit: Fit = "inside",
    filter: Filter = "lanczos3",
    upscale: bool = False,
    quality: SupportsIndex = 75,
    lossless: bool = False,
    near_lossless: SupportsIndex | None = None,
    effort: SupportsIndex = 4,
    alpha_quality: SupportsIndex = 100,
    preset: Preset = "default",
    target_size: SupportsIndex | None = None,
    sharp_yuv: bool = False,
    keep: Sequence[Metadata] | None = ("icc", "exif", "xmp"),
    autorotate: bool = True,
    background: Sequence[int] | None = None,
    max_pixels: SupportsIndex = MAX_PIXELS,
    animated: bool = True,
    loop: SupportsIndex | None = None,
    threads: SupportsIndex | None = None,
) -> bytes:
    """Encode an image and return the WebP file as bytes.

    width and height are the sides of a box in pixels. fit is how the image is resized to the box: 'inside' keeps the
    aspect ratio, 'cover' fills the box and crops the rest, 'contain' pads with background or transparently, 'fill'
    stretches. filter is how pixels are computed: 'lanczos3', 'lanczos2', 'mitchell', 'cubic', 'linear', 'area' (mean of
    the covered pixels) or 'nearest'. Images are never enlarged unless upscale is true. quality is from 0 to 100; with
    lossless or near_lossless it is the compression effort. near_lossless is from 0 to 100, where 100 changes no pixel.
    effort is from 0 (fast) to 6 (small). target_size is in bytes, for lossy encoding only. keep lists the metadata to
    copy; without 'icc', colors are converted to sRGB. background replaces transparency. Animations stay animated unless
    animated is false; loop is how many times they play, 0 for infinite. threads is the maximum number of threads for
    this image.

    Raises UnsupportedFormatError, UnreadableImageError, LimitExceededError or EncoderError (all are WebPEncodeError) if the
    image cannot be encoded, MemoryError, OSError if a path cannot be read, and RuntimeError in a process that was forked
    from one that had used libvips already.
    """
    if target_size is not None and (lossless or near_lossless is not None):
        # libwebp would silently ignore it.
        raise ValueError("target_size cannot be combined with lossless or near_lossless")
    threads = _DEFAULT_THREADS if threads is None else threads
    return _webpencode.encode(
        _read(source),
        (width, height, fit, filter, upscale, keep, autorotate, background, max_pixels, animated, threads),
        (quality, lossless, near_lossless, effort, alpha_quality, preset, target_size, sharp_yuv, loop),
    )


def encode_to(source: Source, destination: str | os.PathLike[str] | Writable, **options: Unpack[Options]) -> int:
    """Encode to a path or a binary file object and return the number of bytes written. Options are those of encode().

    Writing to a path is atomic: after an error, an existing file is unchanged. A replaced file keeps its permissions.
    """
    if _is_path(destination):
        return write_file(encode(source, **options), destination)
    if not hasattr(destination, "write"):
        raise TypeError(f"destination must be a path or a binary file object, not {type(destination).__name__}")
    return write_all(encode(source, **options), destination)


def encode_many(
    sources: Iterable[Source], *, workers: SupportsIndex | None = None, **options: Unpack[Options]
) -> Generator[bytes | Exception, None, None]:
    """Encode images in parallel threads and yield the results in the order of the sources.

    If an image fails, its exception is yielded as a value, without traceback, which would keep the image in memory;
    encode() raises the same exception with traceback. Sources are consumed lazily: about twice as many images as workers
    are in memory at a time. workers defaults to the number of processors that the process may use. Options are those of
    encode(); invalid ones raise TypeError or ValueError immediately. An exception of the iterable is raised after the
    results of the previous images. close() stops early.
    """
    if isinstance(sources, bytes) or _is_path(sources) or _is_readable(sources) or _is_single_image(sources):
        raise TypeError("sources must be an iterable of images, not a single image: use encode() instead")
    if workers is not None and not hasattr(workers, "__index__"):
        raise TypeError(f"workers must be an integer or None, not {type(workers).__name__}")
    count = count_processors() if workers is None else index(workers)
    if count < 1:
        raise ValueError(f"workers must be at least 1, not {count}")
    # Many images are encoded faster with one thread per image than with several.
    settings: dict[str, Any] = {"threads": 1, **options}
    if hasattr(settings.get("keep"), "__next__"):
        # An iterator can be read only once, but every image needs it.
        settings["keep"] = tuple(settings["keep"])
    check_options(**settings)
    # Imported here, because it takes as long to import as the rest of the package.
    from webpencode._pool import encode_in_pool

    def encode_source(source: Source) -> bytes:
        return encode(source, **settings)

    return encode_in_pool(encode_source, iter(sources), count)


def check_options(**options: Any) -> None:
    """Validate options of encode() without an image; raise the same TypeError or ValueError."""
    try:
        encode(_UnreadArray(), **options)
    except _OptionsAreValidError:
        return


class _OptionsAreValidError(Exception):
    pass


class _UnreadArray:
    """An array whose interface is read only after all options were validated."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        raise _OptionsAreValidError


def probe(source: File) -> Info:
    """Read the header of an image file without decoding its pixels. Raises the same errors as encode().

    source is an image file: bytes, a path or a binary file object. Arrays and Pillow images raise TypeError, because they
    have no header.
    """
    return Info(*_webpencode.probe(_read_file(source, "probe")))


def decode(
    source: File,
    *,
    width: SupportsIndex | None = None,
    height: SupportsIndex | None = None,
    fit: Fit = "inside",
    filter: Filter = "lanczos3",
    upscale: bool = False,
    autorotate: bool = True,
    background: Sequence[int] | None = None,
    max_pixels: SupportsIndex = MAX_PIXELS,
    threads: SupportsIndex | None = None,
) -> Pixels:
    """Decode an image file, or the first frame of an animation, to 8-bit sRGB or RGBA pixels.

    source is an image file, as for probe(). Options and errors are those of encode(). The result supports the buffer
    protocol and __array_interface__, with the shape (height, width, bands).
    """
    threads = _DEFAULT_THREADS if threads is None else threads
    shape = (width, height, fit, filter, upscale, None, autorotate, background, max_pixels, False, threads)
    return _webpencode.decode(_read_file(source, "decode"), shape)


def versions() -> dict[str, str]:
    """Return the versions of webpencode, libvips and libwebp by name."""
    import importlib.metadata

    return {"webpencode": importlib.metadata.version("webpencode"), **_webpencode.versions()}


def _read(source: Any) -> Any:
    """Read a path or a file object; return anything else (bytes or arrays) unchanged."""
    if _is_path(source):
        with open(source, "rb") as file:
            return file.read()
    if _is_pillow_image(source):
        # Samples of other modes are not gray or RGB values.
        if source.mode not in _MODES:
            raise TypeError(
                f"Pillow images of mode {source.mode!r} are not supported: convert to 'RGB' or 'RGBA' first"
            )
        return source
    read = getattr(source, "read", None)
    if read is None:
        return source
    # Prefer the buffer of an object that can also be read like a file (mmap).
    try:
        return memoryview(source)
    except TypeError:
        pass
    return read()


def _is_path(source: Any) -> TypeGuard[str | os.PathLike[str]]:
    # isinstance() with os.PathLike acquires a lock. On free-threaded CPython, all threads would contend for it
    # (https://github.com/python/cpython/issues/157526), and after fork() it may be held by a thread that does not exist in
    # the child.
    return isinstance(source, str) or hasattr(source, "__fspath__")


def _read_file(source: Any, caller: str) -> Any:
    """Read an image file; raise TypeError for arrays and Pillow images."""
    if not isinstance(source, bytes) and _holds_pixels(source):
        raise TypeError(f"{caller}() requires an image file, not an array of pixels")
    return _read(source)


def _holds_pixels(source: Any) -> bool:
    if _is_pillow_image(source):
        return True
    try:
        with memoryview(source) as view:
            if view.ndim > 1:
                return True
            # A one-dimensional array of bytes may hold a file.
            is_file = view.ndim == 1 and view.itemsize == 1
    except (BufferError, TypeError, ValueError):
        is_file = False
    return not is_file and hasattr(source, "__array_interface__")


def _is_pillow_image(source: Any) -> bool:
    return isinstance(getattr(source, "mode", None), str) and hasattr(source, "getbands")


def _is_single_image(sources: Any) -> bool:
    """Return whether these are the bytes of one file, or an array of one image rather than of several."""
    if isinstance(sources, Pixels):
        return True
    try:
        with memoryview(sources) as view:
            # An array of objects or strings may contain paths.
            is_numbers = view.format.lstrip("@=<>!") in tuple("?bBcdefhHiIlLnNqQ")
            shape = view.shape or ()
            return is_numbers and (len(shape) < 3 or (len(shape) == 3 and shape[2] <= 4))
    except (BufferError, TypeError, ValueError):
        return False


def _is_readable(source: Any) -> bool:
    return hasattr(source, "read") or _is_pillow_image(source)
