"""encode_many(): order of results, errors as values, lazy sources and memory."""

import array
import gc
import io
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pictures import PHOTO, draw_gradient, write_png
from test_source_types import DeepImage
from webpencode import UnsupportedFormatError, decode, encode, encode_many

IMAGES = [PHOTO, write_png(draw_gradient(30, 20)), write_png(draw_gradient(10, 90))] * 6


@pytest.mark.parametrize("workers", [None, 1, 2, 5])
def test_results_are_in_the_order_of_the_sources(workers: int | None) -> None:
    assert list(encode_many(IMAGES, workers=workers, width=20)) == [encode(data, width=20) for data in IMAGES]


def test_an_error_is_a_value_in_order(tmp_path: Path) -> None:
    results = list(encode_many([PHOTO, b"no image", tmp_path / "nothing", PHOTO], workers=2))

    assert [type(result) for result in results] == [bytes, UnsupportedFormatError, FileNotFoundError, bytes]


def test_no_sources_give_no_results() -> None:
    assert list(encode_many([])) == []


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_must_be_positive(workers: int) -> None:
    with pytest.raises(ValueError, match=f"^workers must be at least 1, not {workers}$"):
        encode_many([PHOTO], workers=workers)


@pytest.mark.parametrize("workers", [1.5, float("nan"), "2"])
def test_workers_must_be_an_integer(workers: Any) -> None:
    with pytest.raises(TypeError, match=f"^workers must be an integer or None, not {type(workers).__name__}$"):
        encode_many([PHOTO], workers=workers)


@pytest.mark.parametrize(
    "image",
    [
        "photo.jpg",
        Path("photo.jpg"),
        PHOTO,
        bytearray(PHOTO),
        memoryview(PHOTO),
        io.BytesIO(PHOTO),
        decode(PHOTO),
        DeepImage(bytes(2), (1, 1), "<u2"),
        array.array("B", PHOTO),
        memoryview(bytes(6)).cast("B", (2, 3)),
        memoryview(bytes(18)).cast("B", (2, 3, 3)),
    ],
    ids=lambda image: type(image).__name__,
)
def test_a_single_image_is_a_type_error(image: Any) -> None:
    with pytest.raises(TypeError) as caught:
        encode_many(image)

    assert str(caught.value) == "sources must be an iterable of images, not a single image: use encode() instead"


def test_keep_may_be_an_iterator() -> None:
    png = write_png(draw_gradient(20, 20), xmp=b"<x/>")

    results = list(encode_many([png, png], keep=iter(["xmp"])))  # type: ignore[arg-type]

    assert results == [encode(png, keep=("xmp",))] * 2


def test_sources_that_are_not_iterable_are_rejected_immediately() -> None:
    with pytest.raises(TypeError, match=r"^'int' object is not iterable$"):
        encode_many(5)  # type: ignore[arg-type]


def test_an_invalid_option_is_rejected_immediately() -> None:
    sources = iter([PHOTO])

    with pytest.raises(TypeError, match="widht"):
        encode_many(sources, widht=5)
    with pytest.raises(ValueError, match=r"^quality must be from 0 to 100, not 101$"):
        encode_many(sources, quality=101)

    assert next(sources) is PHOTO


def test_sources_are_consumed_lazily() -> None:
    consumed = 0

    def sources() -> Iterator[bytes]:
        nonlocal consumed
        for data in IMAGES:
            consumed += 1
            yield data

    results = encode_many(sources(), workers=2)
    assert consumed == 0
    for count, _ in enumerate(results, 1):
        assert consumed <= count + 2 * 2


def test_stopping_early_leaves_no_thread() -> None:
    before = threading.active_count()
    results = encode_many(IMAGES, workers=2)
    next(results)

    results.close()

    assert threading.active_count() == before


def test_an_exception_of_the_iterable_is_raised_after_the_results() -> None:
    def sources() -> Iterator[bytes]:
        yield PHOTO
        raise ZeroDivisionError("mine")

    results = encode_many(sources(), workers=2)
    assert next(results) == encode(PHOTO)
    with pytest.raises(ZeroDivisionError, match="mine"):
        next(results)


class Image(bytearray):
    """Bytes that support weak references."""


class BrokenFile:
    """A file object whose read() raises an exception with a cause."""

    def read(self) -> bytes:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise OSError("then") from error


def test_an_error_does_not_keep_its_image_in_memory() -> None:
    image = Image(b"no image")
    reference = weakref.ref(image)
    gc.disable()
    try:
        (error,) = encode_many([image])
        del image

        assert isinstance(error, UnsupportedFormatError)
        assert reference() is None
    finally:
        gc.enable()


def test_an_error_keeps_its_cause() -> None:
    (error,) = encode_many([BrokenFile()])

    assert isinstance(error, OSError)
    assert isinstance(error.__cause__, KeyError)
    assert (error.__traceback__, error.__cause__.__traceback__) == (None, None)
