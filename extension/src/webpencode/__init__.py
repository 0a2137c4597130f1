"""From image bytes, files or arrays to WebP, through libvips and libwebp."""

from __future__ import annotations

import io
import os
from collections import deque, namedtuple
from operator import index

from webpencode import _webpencode
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
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import IO, Any, Literal, Protocol, SupportsIndex, TypeAlias

    class _HasArrayInterface(Protocol):
        """An array as NumPy describes it to others."""

        @property
        def __array_interface__(self) -> dict[str, Any]: ...

    _Source: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes] | _HasArrayInterface | Any
    _Fit: TypeAlias = Literal["inside", "cover", "contain", "fill"]
    _Preset: TypeAlias = Literal["default", "picture", "photo", "drawing", "icon", "text"]
    _Kept: TypeAlias = Literal["icc", "exif", "xmp"]

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


_MODES = frozenset({"L", "LA", "RGB", "RGBA"})

Info = namedtuple("Info", ["format", "width", "height", "pages", "has_alpha", "icc", "orientation"])
Info.__doc__ = "What the header of an image says; width and height in pixels, as they are stored."


def encode(
    source: _Source,
    *,
    width: SupportsIndex | None = None,
    height: SupportsIndex | None = None,
    fit: _Fit = "inside",
    upscale: bool = False,
    quality: SupportsIndex = 75,
    lossless: bool = False,
    near_lossless: SupportsIndex | None = None,
    effort: SupportsIndex = 4,
    alpha_quality: SupportsIndex = 100,
    preset: _Preset = "default",
    target_size: SupportsIndex | None = None,
    sharp_yuv: bool = False,
    keep: Sequence[_Kept] | None = ("icc", "exif", "xmp"),
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
    target_size is in bytes. keep names what of the metadata goes on; without 'icc' colours are converted to sRGB.
    background replaces transparency. Animations stay animations unless animated is false; loop is how often they play,
    0 for ever. threads is how many may work on this image.

    Raises WebPEncodeError for an input that cannot be encoded: UnsupportedFormatError, UnreadableImageError,
    LimitExceededError or EncoderError; MemoryError; OSError for a path that cannot be read; and RuntimeError in a
    child made by fork() from a process that has used libvips before.
    """
    return _webpencode.encode(
        _read(source),
        (width, height, fit, upscale, keep, autorotate, background, max_pixels, animated, threads),
        (quality, lossless, near_lossless, effort, alpha_quality, preset, target_size, sharp_yuv, loop),
    )


def encode_to(source: _Source, destination: str | os.PathLike[str] | IO[bytes], **options: Any) -> int:
    """Encode to a path or a binary file object; return how many bytes were written. Options are those of encode().

    A path gets the whole file or, after an error, stays as it was. A file that is replaced leaves its permissions behind.
    """
    if isinstance(destination, str | os.PathLike):
        return write_file(encode(source, **options), destination)
    if not hasattr(destination, "write"):
        raise TypeError(f"destination must be a path or a binary file object, not {type(destination).__name__}")
    return _write_all(encode(source, **options), destination)


def _write_all(data: bytes, file: Any) -> int:
    done = file.write(data)
    # A raw file may take less than it is given, and says so; others may say anything.
    while isinstance(file, io.RawIOBase) and (done or 0) < len(data):
        count = file.write(memoryview(data)[done or 0 :])
        if not count:
            raise BlockingIOError(f"the destination took {done or 0} of {len(data)} bytes and would block")
        done = (done or 0) + count
    return len(data)


def write_file(data: bytes, destination: str | os.PathLike[str]) -> int:
    """Write a file as a whole: whoever opens it sees all of the old one or all of the new; return how many bytes."""
    path = os.fsdecode(destination)
    if os.path.islink(path):
        # Only then: whoever works in a folder need not be able to reach it from the root.
        path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        # A pipe or a device is written to, not replaced.
        with open(path, "wb") as file:
            return file.write(data)
    part = os.path.join(os.path.dirname(path), f".{os.urandom(8).hex()}.part")
    try:
        # What others may not read in the old file they may not read in the new one either, not even for a moment.
        mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else None
        with open(
            part, "xb", opener=lambda name, flags: os.open(name, flags, 0o666 if mode is None else 0o600)
        ) as file:
            file.write(data)
        if mode is not None:
            os.chmod(part, mode)
        os.replace(part, path)
    except BaseException as error:
        if os.path.exists(part):
            os.unlink(part)
        if isinstance(error, OSError):
            # Nobody has heard of the part.
            error.filename = os.fspath(destination)
            del error.filename2
        raise
    return len(data)


def encode_many(
    sources: Iterable[_Source], *, workers: int | None = None, **options: Any
) -> Generator[bytes | Exception, None, None]:
    """Encode one image after the other on several cores; give the results in the order of the sources.

    An image that fails gives its exception as a value, without a traceback, which would keep the image in memory: encode()
    raises the same in full. Sources are taken as they are needed: a few more than there are workers (as many as processors,
    unless said) are in memory at any time. Options are those of encode(); one that makes no sense is told at once. What the
    sources themselves raise comes after the results of those before. close() ends it early.
    """
    if workers is not None and not hasattr(workers, "__index__"):
        raise TypeError(f"workers must be an integer or None, not {type(workers).__name__}")
    count = _count_processors() if workers is None else index(workers)
    if count < 1:
        raise ValueError(f"workers must be at least 1, not {count}")
    # Many images are faster one thread each than each on many threads.
    options = {"threads": 1, **options}
    check_options(**options)
    return _encode_in_pool(iter(sources), count, options)


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


def _encode_in_pool(
    sources: Iterator[_Source], count: int, options: dict[str, Any]
) -> Generator[bytes | Exception, None, None]:
    # Costs as much to import as all the rest, and few need it.
    from concurrent.futures import Future, ThreadPoolExecutor

    def work(source: _Source) -> bytes | Exception:
        try:
            return encode(source, **options)
        except Exception as error:
            _forget_frames(error)
            return error

    def submit() -> Iterator[Future[bytes | Exception]]:
        try:
            for source in sources:
                yield pool.submit(work, source)
        except Exception as error:
            ended: Future[bytes | Exception] = Future()
            ended.set_exception(error)
            yield ended

    waiting: deque[Future[bytes | Exception]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="webpencode")
    patient = True
    try:
        for future in submit():
            waiting.append(future)
            if len(waiting) > 2 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except KeyboardInterrupt:
        # Nothing stops libwebp; whoever wants an end gets it without those at work.
        patient = False
        raise
    finally:
        pool.shutdown(wait=patient, cancel_futures=True)


def _forget_frames(error: BaseException) -> None:
    """Take the tracebacks off an error and off what led to it.

    Their frames hold the image. And one of them, the pool's, holds the error in turn: without the collector of cycles, which
    a CPython without a GIL seldom runs, all of it would stay.
    """
    error.__traceback__ = None
    for cause in (error.__cause__, error.__context__):
        if cause is not None and cause.__traceback__ is not None:
            _forget_frames(cause)


def probe(source: _Source) -> Info:
    """Return what the header of an image says, without decoding its pixels. Raises what encode() raises."""
    return Info(*_webpencode.probe(_read(source)))


def decode(
    source: _Source,
    *,
    width: SupportsIndex | None = None,
    height: SupportsIndex | None = None,
    fit: _Fit = "inside",
    upscale: bool = False,
    autorotate: bool = True,
    background: Sequence[int] | None = None,
    max_pixels: SupportsIndex = MAX_PIXELS,
    threads: SupportsIndex | None = None,
) -> Pixels:
    """Return an image, or the first frame of an animation, as 8-bit sRGB or RGBA pixels, for whoever reads arrays.

    Options are those of encode(), which it raises the errors of.
    """
    shape = (width, height, fit, upscale, None, autorotate, background, max_pixels, False, threads)
    return _webpencode.decode(_read(source), shape)


def versions() -> dict[str, str]:
    """Return the versions of this package and of the libraries that it uses."""
    import importlib.metadata

    return {"webpencode": importlib.metadata.version("webpencode"), **_webpencode.versions()}


def _read(source: Any) -> Any:
    """Read what a path or a file object stands for; anything else is bytes or an array already."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return file.read()
    # Images of Pillow: the samples of other modes are no colours.
    mode = getattr(source, "mode", None)
    if isinstance(mode, str) and hasattr(source, "getbands") and mode not in _MODES:
        raise TypeError(f"an image of mode {mode!r} must be converted first, to 'RGB' or 'RGBA'")
    read = getattr(source, "read", None)
    if read is None or (isinstance(mode, str) and hasattr(source, "getbands")):
        return source
    # What has a buffer is taken as one, also if it can be read like a file (mmap).
    try:
        return memoryview(source)
    except TypeError:
        pass
    return read()
