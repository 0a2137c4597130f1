"""Detection of image files and arrays among the types of sources."""

import array
import io
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import webp
from pictures import PHOTO, PHOTO_SIZE, draw_gradient, write_png
from test_arrays import Array
from webpencode import decode, encode, probe

PNG = write_png(draw_gradient(30, 20))


class DeepImage(Array):
    """An object that looks like a Pillow image with 16 bits per sample."""

    mode = "I;16"

    def getbands(self) -> tuple[str, ...]:
        return ("I",)


READERS = pytest.mark.parametrize("reader", [probe, decode], ids=lambda reader: reader.__name__)


@READERS
@pytest.mark.parametrize(
    "pixels",
    [
        memoryview(bytes(12)).cast("B", (2, 2, 3)),
        memoryview(bytes(4)).cast("B", (2, 2)),
        decode(PNG),
        Array(bytes(12), (2, 2, 3)),
        Array(bytes(4), (4,)),
        DeepImage(bytes(2), (1, 1), "<u2"),
    ],
    ids=["rgb", "gray", "Pixels", "interface", "row", "Pillow"],
)
def test_pixels_are_not_accepted_as_a_file(reader: Callable[[Any], Any], pixels: Any) -> None:
    with pytest.raises(TypeError) as caught:
        reader(pixels)

    assert str(caught.value) == f"{reader.__name__}() requires an image file, not an array of pixels"


@READERS
def test_other_types_are_a_type_error(reader: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"^a bytes-like object is required, not 'int'$"):
        reader(5)


def test_a_file_may_be_in_any_buffer_or_at_a_path(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(PHOTO)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for source in (PHOTO, bytearray(PHOTO), memoryview(PHOTO), array.array("B", PHOTO), mapped, path, str(path)):
            assert probe(source)[1:3] == PHOTO_SIZE
            assert decode(source).shape == (*PHOTO_SIZE[::-1], 3)
    for reader in (probe, decode):
        reader(io.BytesIO(PHOTO))


def test_a_16_bit_pillow_image_is_scaled_like_an_array() -> None:
    data = b"".join(value.to_bytes(2, "big") for value in (0, 128, 129, 257, 32767, 65535))
    image = DeepImage(data, (2, 3), ">u2")
    image.mode = "I;16B"

    rows = webp.decode_lossless(encode(image, lossless=True))

    assert [[pixel[0] for pixel in row] for row in rows] == [[0, 0, 1], [1, 127, 255]]
    assert encode(image) == encode(Array(data, (2, 3), ">u2"))


@pytest.mark.parametrize("options", [{"lossless": True}, {"near_lossless": 60}], ids=str)
def test_target_size_cannot_be_combined_with_lossless_encoding(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^target_size cannot be combined with lossless or near_lossless$"):
        encode(PNG, target_size=500, **options)
