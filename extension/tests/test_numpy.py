"""NumPy arrays and Pillow images with all memory layouts."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import webp
from pictures import PHOTO, draw_gradient, draw_noise
from webpencode import decode, encode, encode_many, probe

np = pytest.importorskip("numpy", reason="NumPy is not installed")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

WIDTH, HEIGHT = 61, 43
RGB = np.array(draw_noise(WIDTH, HEIGHT), np.uint8)[..., :3].copy()
RGBA = np.array(draw_gradient(WIDTH, HEIGHT, alpha=True), np.uint8)
GRAY = RGB[..., 0].copy()
DEEP = RGB.astype(np.uint16) * 257
PADDED = np.zeros((HEIGHT + 4, WIDTH + 4, 3), np.uint8)
PADDED[2:-2, 2:-2] = RGB

# The array, and its samples as 8 bits.
LAYOUTS = {
    "rows": (RGB, RGB),
    "columns first": (np.asfortranarray(RGB), RGB),
    "planes": (np.ascontiguousarray(RGB.transpose(2, 0, 1)).transpose(1, 2, 0), RGB),
    "upside down": (RGB[::-1], RGB[::-1]),
    "mirrored": (RGB[:, ::-1], RGB[:, ::-1]),
    "blue first": (RGB[..., ::-1], RGB[..., ::-1]),
    "every second pixel": (RGB[::2, ::2], RGB[::2, ::2]),
    "transposed": (RGB.transpose(1, 0, 2), RGB.transpose(1, 0, 2)),
    "slice": (PADDED[2:-2, 2:-2], RGB),
    "a repeated row": (np.broadcast_to(RGB[0], RGB.shape), np.repeat(RGB[:1], HEIGHT, axis=0)),
    "alpha": (RGBA, RGBA),
    "gray": (GRAY, GRAY),
    "gray with a band": (GRAY[..., None], GRAY),
    "gray with alpha": (RGBA[..., [0, 3]], RGBA[..., [0, 0, 0, 3]]),
    "16 bits": (DEEP, RGB),
    "16 bits, swapped bytes": (DEEP.astype(DEEP.dtype.newbyteorder()), RGB),
    "16 bits, slice": (np.pad(DEEP, ((2, 2), (2, 2), (0, 0)))[2:-2, 2:-2], RGB),
    "read only": (np.frombuffer(RGB.tobytes(), np.uint8).reshape(RGB.shape), RGB),
}


def samples(rows: Any) -> Any:
    """Return the samples as RGBA, the expected content of a lossless file."""
    rows = rows if rows.ndim == 3 else np.repeat(rows[..., None], 3, axis=2)
    opaque = np.full((*rows.shape[:2], 1), 255, np.uint8)
    return rows if rows.shape[2] == 4 else np.concatenate([rows, opaque], axis=2)


def read_lossless(data: bytes) -> Any:
    return np.array(webp.decode_lossless(data), np.uint8)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_keeps_its_samples(layout: str) -> None:
    array, expected = LAYOUTS[layout]

    assert np.array_equal(read_lossless(encode(array, lossless=True)), samples(expected))


@pytest.mark.parametrize("options", [{}, {"width": 20}, {"sharp_yuv": True}], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_result_does_not_depend_on_the_memory_layout(layout: str, options: dict[str, Any]) -> None:
    array, expected = LAYOUTS[layout]

    assert encode(array, **options) == encode(np.ascontiguousarray(expected), **options)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "uint32", "int64", "float32", "float64", "complex64"])
def test_unsupported_types_are_an_error(dtype: str) -> None:
    array = GRAY.astype(dtype)

    with pytest.raises(TypeError, match=r"^an array must contain unsigned 8-bit or 16-bit integers, not '.*'$"):
        encode(array)


def test_pixels_are_converted_to_an_array_without_a_copy() -> None:
    pixels = decode(encode(RGB, lossless=True))

    array = np.asarray(pixels)
    assert array.__array_interface__["data"][0] == pixels.__array_interface__["data"][0]
    assert np.array_equal(array, RGB)


def test_a_file_may_be_in_an_array_of_bytes() -> None:
    file = np.frombuffer(PHOTO, np.uint8)

    assert probe(file) == probe(PHOTO)
    assert encode(file) == encode(PHOTO)
    assert np.array_equal(decode(file), decode(PHOTO))


@pytest.mark.parametrize("reader", [probe, decode], ids=lambda reader: reader.__name__)
@pytest.mark.parametrize(
    "pixels",
    [
        RGB,
        GRAY,
        DEEP,
        RGB.astype(float),
        np.zeros(9, np.uint16),
        np.uint8(3),
        np.array(["2020"], "M8[D]"),
        Image.fromarray(RGB),
        Image.new("P", (3, 2)),
    ],
    ids=["rgb", "gray", "deep", "float", "row", "scalar", "dates", "image", "palette"],
)
def test_pixels_are_not_accepted_as_a_file(reader: Callable[[Any], Any], pixels: Any) -> None:
    with pytest.raises(TypeError) as caught:
        reader(pixels)

    assert str(caught.value) == f"{reader.__name__}() requires an image file, not an array of pixels"


def test_an_array_of_images_is_an_iterable_of_images() -> None:
    assert list(encode_many(np.stack([RGB, RGB[::-1]]))) == [encode(RGB), encode(RGB[::-1])]


def test_pillow_images_in_a_list_are_accepted_and_a_single_one_is_rejected() -> None:
    image = Image.fromarray(RGB)

    assert list(encode_many([image, image.convert("L")])) == [encode(RGB), encode(np.asarray(image.convert("L")))]
    with pytest.raises(
        TypeError, match=r"^sources must be an iterable of images, not a single image: use encode\(\) instead$"
    ):
        encode_many(image)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_pillow_image_and_its_array_give_the_same_bytes(mode: str) -> None:
    image = Image.fromarray(RGBA).convert(mode)

    for options in ({}, {"lossless": True}, {"width": 20}):
        assert encode(image, **options) == encode(np.asarray(image), **options)
    decoded = Image.open(io.BytesIO(encode(image, lossless=True)))
    assert np.array_equal(np.asarray(decoded.convert(mode)), np.asarray(image))


@pytest.mark.parametrize(("mode", "dtype"), [("I;16", "<u2"), ("I;16L", "<u2"), ("I;16B", ">u2"), ("I;16N", "=u2")])
def test_a_16_bit_pillow_image_and_its_array_give_the_same_bytes(mode: str, dtype: str) -> None:
    deep = (np.arange(WIDTH * HEIGHT, dtype=np.uint32) * 24).reshape(HEIGHT, WIDTH).astype(np.uint16)
    image = Image.frombytes(mode, (WIDTH, HEIGHT), deep.astype(dtype).tobytes())

    for options in ({}, {"lossless": True}, {"width": 20}):
        assert encode(image, **options) == encode(deep, **options)
    expected = (deep.astype(np.uint32) * 255 + 32767) // 65535
    assert np.array_equal(read_lossless(encode(image, lossless=True))[..., 0], expected)


@pytest.mark.parametrize("mode", ["1", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "RGBX", "RGBa", "La"])
def test_a_pillow_image_with_an_unsupported_mode_is_rejected(mode: str) -> None:
    image = Image.new(mode, (3, 2))

    with pytest.raises(TypeError) as caught:
        encode(image)

    assert str(caught.value) == f"Pillow images of mode {mode!r} are not supported: convert to 'RGB' or 'RGBA' first"


def test_an_array_of_images_or_of_paths_is_an_iterable_of_images(tmp_path: Any) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    names = np.array([str(tmp_path / "a.jpg")] * 2)

    assert list(encode_many(np.stack([RGB, RGB[::-1]]))) == [encode(RGB), encode(RGB[::-1])]
    assert list(encode_many(names)) == list(encode_many(names.astype(object))) == [encode(PHOTO)] * 2
    for image in (RGB, RGBA, GRAY, GRAY[..., None]):
        with pytest.raises(
            TypeError, match=r"^sources must be an iterable of images, not a single image: use encode\(\) instead$"
        ):
            encode_many(image)
