"""Errors of encode() for invalid images and options."""

import contextlib
import pickle
import re
import struct
from typing import Any

import pytest
from pictures import (
    CMYK,
    DEEP,
    PALETTE,
    PHOTO,
    PROGRESSIVE,
    cut_jpeg,
    draw_gradient,
    write_gif,
    write_gray_png,
    write_png,
)
from webpencode import (
    EncoderError,
    LimitExceededError,
    UnreadableImageError,
    UnsupportedFormatError,
    WebPEncodeError,
    decode,
    encode,
    probe,
)

PNG = write_png(draw_gradient(80, 60))
GIF = write_gif([[[x % 3 for x in range(90)] for _ in range(60)]], [(0, 0, 0), (255, 0, 0), (0, 0, 255)])
IMAGES = {
    "jpeg": PHOTO,
    "png": PNG,
    "gif": GIF,
    "webp": encode(PHOTO),
    "webp-lossless": encode(PNG, lossless=True),
    "progressive": PROGRESSIVE,
    "palette": PALETTE,
    "deep": DEEP,
}
INTERLACED = {"palette", "deep"}


@pytest.mark.parametrize("error", [EncoderError, LimitExceededError, UnreadableImageError, UnsupportedFormatError])
def test_every_error_is_a_value_error_of_the_package(error: type[WebPEncodeError]) -> None:
    assert issubclass(error, WebPEncodeError)
    assert issubclass(WebPEncodeError, ValueError)
    assert error.__module__ == WebPEncodeError.__module__ == "webpencode"
    assert error.__doc__


def test_an_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(WebPEncodeError("message")))

    assert type(error) is WebPEncodeError
    assert str(error) == "message"


def test_empty_input_is_an_error() -> None:
    with pytest.raises(WebPEncodeError, match=r"^the input is empty$"):
        encode(b"")


@pytest.mark.parametrize("data", [b"\0", b"no image", b"\x89PNG", bytes(range(256))], ids=["0", "text", "png", "256"])
@pytest.mark.parametrize("box", [{}, {"width": 10}], ids=str)
def test_an_unknown_format_is_an_error_with_the_message_of_libvips(data: bytes, box: dict[str, Any]) -> None:
    with pytest.raises(WebPEncodeError, match=r"^VipsForeignLoad: buffer is not in a known format$"):
        encode(data, **box)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("options", [{}, {"width": 50}, {"lossless": True}], ids=str)
def test_a_truncated_image_is_an_error(name: str, share: float, options: dict[str, Any]) -> None:
    data = IMAGES[name]

    with pytest.raises(WebPEncodeError) as caught:
        encode(data[: int(len(data) * share)], **options)

    # Messages of libvips begin with a domain ("VipsJpeg: …"); for interlaced PNGs it has no message.
    no_details = "the image is damaged or truncated (libvips reports no details)"
    assert str(caught.value) == no_details if name in INTERLACED else re.match(r"\w+: \S", str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_truncated_at_any_byte_is_an_error(name: str) -> None:
    data = IMAGES[name]

    # The last twelve bytes of a PNG and the last two of a JPEG are only end markers.
    for end in range(1, len(data) - 12, len(data) // 60):
        with pytest.raises(WebPEncodeError):
            encode(data[:end], width=20)


@pytest.mark.parametrize("name", IMAGES)
def test_a_damaged_byte_is_an_error_or_is_ignored(name: str) -> None:
    data = bytearray(IMAGES[name])

    for at in range(0, len(data), len(data) // 60):
        data[at] ^= 0xFF
        with contextlib.suppress(WebPEncodeError):
            assert encode(data)[:4] == b"RIFF"
        data[at] ^= 0xFF


def test_an_image_too_large_for_webp_is_an_error() -> None:
    wide = write_gray_png(16_384, 1, bits=8)

    with pytest.raises(
        LimitExceededError, match=r"^the image is 16384 x 1 pixels, and WebP allows at most 16383 per side$"
    ):
        encode(wide)


@pytest.mark.parametrize("read", [probe, decode, encode])
@pytest.mark.parametrize("sides", [(65_501, 8), (8, 65_535)], ids=str)
def test_a_jpeg_too_large_for_libjpeg_is_an_error_with_both_numbers(read: Any, sides: tuple[int, int]) -> None:
    with pytest.raises(
        LimitExceededError, match=rf"^the image has a side of {max(sides)} pixels, and libjpeg reads at most 65500$"
    ) as caught:
        read(cut_jpeg(PHOTO, *sides))

    assert (caught.value.number, caught.value.limit) == (max(sides), 65_500)


def move_frame(gif: bytes, left: int, top: int) -> bytes:
    """Set the position of the only frame, which enlarges the canvas."""
    at = gif.index(b"\x2c\0\0\0\0") + 1
    return gif[:at] + struct.pack("<HH", left, top) + gif[at + 4 :]


@pytest.mark.parametrize("read", [probe, decode, encode])
@pytest.mark.parametrize("position", [(65_534, 0), (0, 65_535)], ids=str)
def test_a_gif_too_large_for_libvips_is_an_error_with_both_numbers(read: Any, position: tuple[int, int]) -> None:
    side = max(position) + 3

    with pytest.raises(
        LimitExceededError, match=rf"^the image has a side of {side} pixels, and libvips reads at most 65536$"
    ) as caught:
        read(move_frame(write_gif([[[1] * 3] * 3], [(255, 0, 0), (0, 0, 255)]), *position))

    assert (caught.value.number, caught.value.limit) == (side, 65_536)


def test_a_gif_with_the_longest_side_is_read() -> None:
    gif = move_frame(write_gif([[[1] * 3] * 3], [(255, 0, 0), (0, 0, 255)]), 65_533, 0)

    assert probe(gif)[1:3] == (65_536, 3)
    assert decode(gif, width=8192).shape == (1, 8192, 4)


@pytest.mark.parametrize(
    "chunk",
    [
        b"VP8 " + struct.pack("<I", 40) + bytes.fromhex("300100 9d012a") + struct.pack("<HH", 16_383, 16_000),
        b"VP8L" + struct.pack("<IBI", 40, 0x2F, 16_382 | 15_999 << 14),
        b"VP8X" + struct.pack("<II", 10, 0) + (16_382).to_bytes(3, "little") + (15_999).to_bytes(3, "little"),
    ],
    ids=["lossy", "lossless", "extended"],
)
def test_a_webp_that_is_too_large_is_rejected_before_memory_is_allocated(chunk: bytes) -> None:
    body = b"WEBP" + chunk.ljust(60, b"\0")

    with pytest.raises(
        LimitExceededError, match=r"^the image has 262128000 pixels \(16383 x 16000\), and max_pixels is 9$"
    ):
        encode(b"RIFF" + struct.pack("<I", len(body)) + body, max_pixels=9)


# Found by libFuzzer: libwebp reports the invalid first byte of the alpha plane as out of memory.
DAMAGED_ALPHA = bytes.fromhex(
    "52494646ae00000057454250565038580a000000140000001700000f0000414c50481600000001b98ce87fba000000733ef9"
    "878711133001d51a3703565038205e0000009004009d012a180010003e913e9a47a5a3a2a1300800b012096c009d32847037"
    "92fe2a806325e18612acb0638000fefa932fdbc3fb215c7a3bd2e9e8e85640575d04f791a6fa6630bb0aaaa1cb3c1904d0c1"
    "0ae3135259dce274ede87000584d50200c0000003c783a786d706d6574612f3e"
)


def test_a_damaged_alpha_plane_is_not_a_memory_error() -> None:
    with pytest.raises(UnreadableImageError, match=r"^webp2vips: unable to read pixels$"):
        encode(DAMAGED_ALPHA)


def test_an_image_too_large_for_webp_can_be_resized() -> None:
    wide = write_gray_png(16_384, 64, bits=8)

    assert encode(wide, width=8192)[:4] == b"RIFF"


@pytest.mark.parametrize(
    "data",
    [
        b"P6 2 2 255\n" + bytes(12),
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
        b"%PDF-1.4\n%%EOF\n",
        b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n" + bytes(4),
    ],
    ids=["ppm", "svg", "pdf", "hdr"],
)
def test_untrusted_loaders_of_libvips_are_blocked(data: bytes) -> None:
    with pytest.raises(WebPEncodeError):
        encode(data)


def test_an_error_message_does_not_appear_in_a_later_error() -> None:
    for data in (b"no image", PHOTO[: len(PHOTO) // 2]):
        with pytest.raises(WebPEncodeError):
            encode(data)

    with pytest.raises(WebPEncodeError, match=r"^VipsForeignLoad: buffer is not in a known format$"):
        encode(b"no image either")


def test_nothing_is_printed_about_damaged_images(capfd: pytest.CaptureFixture[str]) -> None:
    # libjpeg warns about extra bytes before the end marker 0xFF 0xD9 and continues.
    extraneous = PHOTO[:-2] + b"\x11" * 64 + PHOTO[-2:]

    for data in (extraneous, CMYK[:-2] + b"\x11" * 64 + CMYK[-2:], PNG[:200] + b"\0" * 20 + PNG[220:], GIF[:-30]):
        with contextlib.suppress(WebPEncodeError):
            encode(data)

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "a bytes-like object is required, not 'NoneType'"),
        (5, "a bytes-like object is required, not 'int'"),
        ([1, 2], "a bytes-like object is required, not 'list'"),
    ],
)
def test_input_must_be_bytes_like(data: bytes, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        encode(data)


def test_a_non_contiguous_buffer_is_rejected() -> None:
    with pytest.raises(BufferError, match="not C-contiguous"):
        encode(memoryview(PHOTO)[::2])


def test_a_released_buffer_is_rejected() -> None:
    view = memoryview(PHOTO)
    view.release()

    with pytest.raises(ValueError, match="released memoryview"):
        encode(view)


def test_options_are_keyword_only() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        encode(PHOTO, 800)  # type: ignore[call-arg]


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(TypeError, match="widht"):
        encode(PHOTO, widht=800)  # type: ignore[call-arg]


def test_an_exception_of_an_argument_is_propagated() -> None:
    class Broken:
        def __index__(self) -> int:
            raise ZeroDivisionError("mine")

        def __bool__(self) -> bool:
            raise ZeroDivisionError("mine")

    for option in ("width", "height", "quality", "lossless"):
        options: dict[str, Any] = {option: Broken()}
        with pytest.raises(ZeroDivisionError, match="mine"):
            encode(PHOTO, **options)
