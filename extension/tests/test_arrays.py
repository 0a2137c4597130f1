"""Encoding of arrays of pixels, through buffers and __array_interface__."""

import gc
import mmap
import os
import struct
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import webp
from pictures import draw_gradient, draw_noise, write_gray_png, write_png
from webpencode import LimitExceededError, decode, encode

WIDTH, HEIGHT = 61, 43
ROWS = draw_noise(WIDTH, HEIGHT)
CLEAR = draw_gradient(WIDTH, HEIGHT, alpha=True)


class Array:
    """An object with NumPy's array interface."""

    def __init__(self, data: Any, shape: Sequence[int], typestr: str = "|u1", strides: Any = None) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": data,
            "shape": tuple(shape),
            "typestr": typestr,
            "strides": strides,
        }


def pack(rows: Any, bands: int = 3) -> bytes:
    return b"".join(bytes(pixel[:bands]) for row in rows for pixel in row)


def view(rows: Any, bands: int = 3) -> memoryview:
    return memoryview(pack(rows, bands)).cast("B", (len(rows), len(rows[0]), bands))


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"sharp_yuv": True}, {"width": 20}], ids=str)
@pytest.mark.parametrize(("rows", "bands"), [(ROWS, 3), (CLEAR, 4)], ids=["rgb", "rgba"])
def test_an_array_and_a_file_with_the_same_pixels_give_the_same_bytes(
    rows: Any, bands: int, options: dict[str, Any]
) -> None:
    png = write_png(rows, alpha=bands == 4)

    assert encode(view(rows, bands), **options) == encode(png, **options)


def test_lossless_encoding_keeps_every_pixel_of_an_array() -> None:
    assert webp.decode_lossless(encode(view(ROWS), lossless=True)) == ROWS


def test_an_opaque_rgba_array_is_encoded_without_alpha() -> None:
    assert encode(view(ROWS, 4)) == encode(view(ROWS, 3))


@pytest.mark.parametrize("at", [0, WIDTH * (HEIGHT - 1)], ids=["top", "bottom"])
def test_a_single_transparent_pixel_keeps_the_alpha_channel(at: int) -> None:
    data = bytearray(pack(ROWS, 4))
    data[4 * at + 3] = 0

    out = encode(memoryview(data).cast("B", (HEIGHT, WIDTH, 4)))

    assert webp.read_info(out).alpha
    assert out == encode(Array(bytes(data), (HEIGHT, WIDTH, 4)))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1)], ids=str)
def test_gray_arrays_are_accepted(shape: tuple[int, ...]) -> None:
    out = encode(memoryview(bytes([0, 100, 255])).cast("B", shape), lossless=True)

    assert webp.decode_lossless(out) == [[(0, 0, 0, 255), (100, 100, 100, 255), (255, 255, 255, 255)]]


def test_gray_arrays_with_alpha_are_accepted() -> None:
    out = encode(memoryview(bytes([10, 255, 200, 7])).cast("B", (1, 2, 2)), lossless=True)

    assert webp.decode_lossless(out) == [[(10, 10, 10, 255), (200, 200, 200, 7)]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_are_scaled_in_either_byte_order(order: str) -> None:
    values = [0, 128, 129, 257, 32767, 65535]
    data = struct.pack(f"{order}6H", *values)

    rows = webp.decode_lossless(encode(Array(data, (1, 6), f"{order}u2"), lossless=True))

    assert [pixel[0] for pixel in rows[0]] == [round(value / 257) for value in values]


def test_native_sixteen_bits_are_read_through_a_buffer() -> None:
    data = memoryview(struct.pack("3H", 0, 257 * 9, 65535)).cast("H", (1, 3))

    assert [pixel[0] for pixel in webp.decode_lossless(encode(data, lossless=True))[0]] == [0, 9, 255]


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": True, "width": 9}], ids=str)
def test_rows_may_have_any_strides(options: dict[str, Any]) -> None:
    flipped = view(ROWS)[::-1]
    every_second = view(ROWS)[::2]
    columns = Array(pack(ROWS), (HEIGHT, WIDTH // 2, 3), strides=(WIDTH * 3, 6, 1))

    assert encode(flipped, **options) == encode(view(ROWS[::-1]), **options)
    assert encode(every_second, **options) == encode(view(ROWS[::2]), **options)
    assert encode(columns, **options) == encode(view([row[: WIDTH // 2 * 2 : 2] for row in ROWS]), **options)


@pytest.mark.skipif(
    sys.platform != "linux" or sys.maxsize < 1 << 32, reason="needs 5 GB of address space, but no memory"
)
@pytest.mark.parametrize("options", [{}, {"lossless": True}], ids=str)
def test_rows_may_be_gigabytes_apart(options: dict[str, Any]) -> None:
    stride = (1 << 31) - 8  # libwebp computes with an int, for two rows at once
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
    rows = draw_gradient(4, 3)

    with mmap.mmap(-1, stride * 2 + 12, flags=flags) as samples:
        for y, row in enumerate(rows):
            samples[y * stride : y * stride + 12] = pack([row])
        result = encode(Array(samples, (3, 4, 3), strides=(stride, 3, 1)), **options)

    assert result == encode(view(rows), **options)


def test_bands_may_be_separate_planes() -> None:
    planes = b"".join(bytes(pixel[band] for row in ROWS for pixel in row) for band in range(3))
    size = WIDTH * HEIGHT

    array = Array(planes, (HEIGHT, WIDTH, 3), strides=(WIDTH, 1, size))

    assert encode(array, lossless=True) == encode(view(ROWS), lossless=True)


def test_data_may_be_an_address() -> None:
    pixels = decode(write_png(ROWS))

    assert encode(Array(pixels.__array_interface__["data"], (HEIGHT, WIDTH, 3))) == encode(view(ROWS))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 2), (2, 1), (16, 16), (17, 33), (33, 65)])
def test_all_sizes_are_encoded_completely(width: int, height: int) -> None:
    rows = draw_noise(width, height)

    assert webp.decode_lossless(encode(view(rows), lossless=True)) == rows
    assert encode(view(rows)) == encode(write_png(rows))


def test_the_longest_side_of_webp_is_accepted_and_a_longer_one_is_rejected() -> None:
    assert webp.read_info(encode(memoryview(bytes(16383)).cast("B", (1, 16383)), effort=0)).width == 16383
    for shape in ((1, 16384), (16384, 1)):
        with pytest.raises(LimitExceededError) as caught:
            encode(memoryview(bytes(16384)).cast("B", shape))
        assert (caught.value.number, caught.value.limit) == (16384, 16383)
        assert str(caught.value) == (
            f"the image is {shape[1]} x {shape[0]} pixels, and WebP allows at most 16383 per side"
        )


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (Array(b"", (0, 5)), ValueError, "an array must have at least one pixel, not 0 rows of 5"),
        (Array(b"", (5, 0, 3)), ValueError, "an array must have at least one pixel, not 5 rows of 0"),
        (Array(bytes(5), (5,)), ValueError, "an array must have 2 or 3 dimensions (height, width, bands), not 1"),
        (Array(bytes(5), (1, 1, 5)), ValueError, "an array must have 1 to 4 bands, not 5"),
        (
            Array(bytes(4), (1, 1), "<f4"),
            TypeError,
            "an array must contain unsigned 8-bit or 16-bit integers, not '<f4'",
        ),
        (
            Array(bytes(4), (1, 1), "|i1"),
            TypeError,
            "an array must contain unsigned 8-bit or 16-bit integers, not '|i1'",
        ),
        (Array(bytes(5), (2, 3)), ValueError, "'data' of __array_interface__ has 5 bytes, but its shape needs 6"),
        (Array(bytes(6), (2, 3), strides=(-3, 1)), ValueError, "'strides' of __array_interface__ point outside 'data'"),
        (
            Array(bytes(6), (2, 3), strides=(sys.maxsize, 1)),
            ValueError,
            "'strides' of __array_interface__ are too large",
        ),
        (
            Array((1, True), (2, 3), strides=(-sys.maxsize - 1, 1)),
            ValueError,
            "'strides' of __array_interface__ are too large",
        ),
        (
            Array(bytes(6), (2, 3), strides=(3,)),
            ValueError,
            "'strides' of __array_interface__ must be as long as 'shape'",
        ),
        (Array((0, True), (2, 3)), ValueError, "'data' of __array_interface__ is a null pointer"),
        (Array(bytes(6), ("2", 3)), TypeError, "'str' object cannot be interpreted as an integer"),
        (
            memoryview(bytes(4)).cast("b", (1, 4)),
            TypeError,
            "an array must contain unsigned 8-bit or 16-bit integers, not 'b'",
        ),
        (
            memoryview(bytes(8)).cast("f", (1, 2)),
            TypeError,
            "an array must contain unsigned 8-bit or 16-bit integers, not 'f'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invalid_array_is_an_error_that_names_the_reason(array: Any, error: type, message: str) -> None:
    with pytest.raises(error) as caught:
        encode(array)

    assert str(caught.value) == message


def test_an_offset_is_applied() -> None:
    array = Array(b"xx" + bytes([1, 2, 3]), (1, 1, 3))
    array.__array_interface__["offset"] = 2

    assert webp.decode_lossless(encode(array, lossless=True)) == [[(1, 2, 3, 255)]]


def test_an_offset_that_overflows_is_rejected() -> None:
    array = Array(bytes(3), (1, 1, 3))
    array.__array_interface__["offset"] = sys.maxsize

    with pytest.raises(ValueError, match=r"^'offset' of __array_interface__ is too large$"):
        encode(array)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes written in Python cannot be buffers before 3.12")
def test_a_tuple_with_a_buffer_is_not_an_address() -> None:
    class Samples(tuple[int, ...]):
        def __buffer__(self, flags: int) -> memoryview:
            return memoryview(bytes(6))

    with pytest.raises(ValueError, match=r"^'strides' of __array_interface__ point outside 'data'$"):
        encode(Array(Samples((1, 2, 3)), (2, 3), strides=(-3, 1)))


def test_an_interface_that_changes_while_it_is_read_is_safe() -> None:
    class ClearingIndex:
        def __index__(self) -> int:
            array.__array_interface__.clear()
            gc.collect()
            return 2

    array = Array(bytes(12), (ClearingIndex(), 2, 3))

    assert encode(array)[:4] == b"RIFF"


def test_an_exception_of_the_array_is_propagated() -> None:
    class Broken:
        @property
        def __array_interface__(self) -> Any:
            raise OSError("mine")

    with pytest.raises(OSError, match="mine"):
        encode(Broken())


def test_a_pillow_image_with_an_unsupported_mode_is_rejected() -> None:
    class Image(Array):
        mode = "P"

        def getbands(self) -> tuple[str, ...]:
            return ("P",)

    with pytest.raises(
        TypeError, match=r"^Pillow images of mode 'P' are not supported: convert to 'RGB' or 'RGBA' first$"
    ):
        encode(Image(bytes(1), (1, 1)))


def test_max_pixels_applies_to_arrays() -> None:
    for options in ({}, {"width": 5}):
        with pytest.raises(LimitExceededError) as caught:
            encode(view(ROWS), max_pixels=2622, **options)
        assert str(caught.value) == "the array has 2623 pixels (61 x 43), and max_pixels is 2622"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork()")
def test_an_array_can_be_encoded_after_a_fork() -> None:
    from test_threads import run_python

    program = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import webpencode
png, array = {png!r}, memoryview(bytes(12)).cast("B", (2, 2, 3))
webpencode.encode(png)
child = os.fork()
if child == 0:
    print(webpencode.encode(array)[:4].decode(), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""

    assert run_python(program.format(png=write_gray_png(8, 8, bits=8))) == "RIFF\n"
