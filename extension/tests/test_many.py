"""encode_many(): in order, on several cores, errors as values, no more in memory than is needed."""

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
from test_sources import DeepImage
from webpencode import UnsupportedFormatError, decode, encode, encode_many

IMAGES = [PHOTO, write_png(draw_gradient(30, 20)), write_png(draw_gradient(10, 90))] * 6


@pytest.mark.parametrize("workers", [None, 1, 2, 5])
def test_results_come_in_the_order_of_the_sources(workers: int | None) -> None:
    assert list(encode_many(IMAGES, workers=workers, width=20)) == [encode(data, width=20) for data in IMAGES]


def test_an_error_is_a_value_in_its_place(tmp_path: Path) -> None:
    found = list(encode_many([PHOTO, b"no image", tmp_path / "nothing", PHOTO], workers=2))

    assert [type(one) for one in found] == [bytes, UnsupportedFormatError, FileNotFoundError, bytes]


def test_no_source_is_no_result() -> None:
    assert list(encode_many([])) == []


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_must_be_some(workers: int) -> None:
    with pytest.raises(ValueError, match=f"^workers must be at least 1, not {workers}$"):
        encode_many([PHOTO], workers=workers)


@pytest.mark.parametrize("workers", [1.5, float("nan"), "2"])
def test_workers_must_be_a_whole_number(workers: Any) -> None:
    with pytest.raises(TypeError, match=f"^workers must be an integer or None, not {type(workers).__name__}$"):
        encode_many([PHOTO], workers=workers)


@pytest.mark.parametrize(
    "one",
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
    ids=lambda one: type(one).__name__,
)
def test_one_image_is_no_iterable_of_images(one: Any) -> None:
    with pytest.raises(TypeError) as caught:
        encode_many(one)

    assert str(caught.value) == "sources must be an iterable of images, not one: encode() takes one"


def test_every_image_keeps_what_an_iterator_says() -> None:
    png = write_png(draw_gradient(20, 20), xmp=b"<x/>")

    made = list(encode_many([png, png], keep=iter(["xmp"])))  # type: ignore[arg-type]

    assert made == [encode(png, keep=("xmp",))] * 2


def test_what_is_no_iterable_is_told_at_once() -> None:
    with pytest.raises(TypeError, match=r"^'int' object is not iterable$"):
        encode_many(5)  # type: ignore[arg-type]


def test_an_option_that_makes_no_sense_is_told_at_once() -> None:
    taken = iter([PHOTO])

    with pytest.raises(TypeError, match="widht"):
        encode_many(taken, widht=5)
    with pytest.raises(ValueError, match=r"^quality must be from 0 to 100, not 101$"):
        encode_many(taken, quality=101)

    assert next(taken) is PHOTO


def test_sources_are_taken_as_they_are_needed() -> None:
    taken = 0

    def sources() -> Iterator[bytes]:
        nonlocal taken
        for data in IMAGES:
            taken += 1
            yield data

    results = encode_many(sources(), workers=2)
    assert taken == 0
    for count, _ in enumerate(results, 1):
        assert taken <= count + 2 * 2


def test_stopping_early_leaves_no_thread() -> None:
    before = threading.active_count()
    results = encode_many(IMAGES, workers=2)
    next(results)

    results.close()

    assert threading.active_count() == before


def test_a_source_that_raises_ends_it() -> None:
    def sources() -> Iterator[bytes]:
        yield PHOTO
        raise ZeroDivisionError("mine")

    results = encode_many(sources(), workers=2)
    assert next(results) == encode(PHOTO)
    with pytest.raises(ZeroDivisionError, match="mine"):
        next(results)


class Image(bytearray):
    """Bytes that tell when they are gone."""


class Closed:
    """A file that cannot be read, for a reason that its own code found."""

    def read(self) -> bytes:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise OSError("then") from error


def test_an_error_keeps_neither_its_image_nor_its_pool_in_memory() -> None:
    image = Image(b"no image")
    gone = weakref.ref(image)
    gc.disable()
    try:
        (error,) = encode_many([image])
        del image

        assert isinstance(error, UnsupportedFormatError)
        assert gone() is None
    finally:
        gc.enable()


def test_an_error_says_what_led_to_it() -> None:
    (error,) = encode_many([Closed()])

    assert isinstance(error, OSError)
    assert isinstance(error.__cause__, KeyError)
    assert (error.__traceback__, error.__cause__.__traceback__) == (None, None)
