"""Small PNG and JPEG files, which are decoded without libvips, give the same bytes as with libvips."""

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from itertools import product

import pytest
import webp
from pictures import CMYK, PHOTO, cut_jpeg, draw_gradient, write_gray_png, write_png, write_png_header
from webpencode import LimitExceededError, UnreadableImageError, WebPEncodeError, decode, encode

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8), 2: (8,), 3: (1, 2, 4, 8), 4: (8,), 6: (8,)}
SMALL_JPEG = cut_jpeg(PHOTO, 200, 160)


def write_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def write_kind(
    color: int, depth: int, width: int, height: int, *, transparent: bool = False, extra: bytes = b""
) -> bytes:
    """Write a PNG of any color type and depth with pixels that look random but are the same in each call."""
    size = (width * CHANNELS[color] * depth + 7) // 8
    rows = b"".join(
        bytes([y % 5]) + bytes((x * x * 7 + y * 31 + x * y * 13) % 256 for x in range(size)) for y in range(height)
    )
    palette = write_chunk(b"PLTE", bytes(i * 37 % 256 for i in range(3 << depth))) if color == 3 else b""
    keys = {0: b"\0\1", 2: b"\0\7\0\46\0\105", 3: bytes(i * 90 % 256 for i in range(min(5, 1 << depth)))}
    return (
        SIGNATURE
        + write_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
        + extra
        + palette
        + (write_chunk(b"tRNS", keys[color]) if transparent else b"")
        + write_chunk(b"IDAT", zlib.compress(rows))
        + write_chunk(b"IEND", b"")
    )


def list_kinds() -> Iterator[tuple[int, int, bool]]:
    for color, depths in DEPTHS.items():
        yield from product([color], depths, [False, True] if color in (0, 2, 3) else [False])


@pytest.mark.parametrize(("color", "depth", "transparent"), list(list_kinds()))
@pytest.mark.parametrize("background", [None, (200, 0, 9)])
def test_a_small_png_of_every_kind_gives_the_same_bytes_as_its_pixels(
    color: int, depth: int, transparent: bool, background: tuple[int, int, int] | None
) -> None:
    png = write_kind(color, depth, 19, 13, transparent=transparent)

    # decode() always uses libvips.
    expected = memoryview(decode(png))

    for options in ({"lossless": True}, {"quality": 60}):
        assert encode(png, background=background, **options) == encode(expected, background=background, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 256), (256, 256), (257, 255), (256, 257), (600, 109), (600, 110)], ids=str
)
def test_sizes_around_the_limit_give_the_same_bytes(size: tuple[int, int]) -> None:
    png = write_kind(6, 8, *size)

    assert encode(png, effort=0) == encode(memoryview(decode(png)), effort=0)


@pytest.mark.parametrize("size", [(1, 1), (15, 17), (200, 160)], ids=str)
def test_a_small_jpeg_gives_the_same_bytes_as_its_pixels(size: tuple[int, int]) -> None:
    jpeg = cut_jpeg(SMALL_JPEG, *size)

    assert encode(jpeg, keep=None) == encode(memoryview(decode(jpeg)))


def test_options_and_metadata_of_small_files_are_applied() -> None:
    exif = write_png(draw_gradient(20, 10), exif=b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0")
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"

    assert webp.read_info(encode(exif)).width == 10
    assert webp.read_info(encode(exif, autorotate=False)).width == 20
    assert packet in encode(write_png(draw_gradient(20, 10), xmp=packet))
    # libvips does not distinguish the types of texts.
    plain_text = write_chunk(b"tEXt", b"XML:com.adobe.xmp\0" + packet)
    assert packet in encode(write_kind(2, 8, 40, 20, extra=plain_text))
    assert webp.read_info(encode(write_kind(2, 8, 40, 20), width=10)).width == 10
    assert encode(CMYK) == encode(memoryview(decode(CMYK)))
    assert encode(write_gray_png(9, 9, bits=16)) == encode(memoryview(decode(write_gray_png(9, 9, bits=16))))
    assert encode(write_kind(2, 8, 9, 9, extra=write_chunk(b"tEXt", b"Software\0x"))) == encode(write_kind(2, 8, 9, 9))


def test_damaged_small_files_are_errors_with_the_message_of_libvips() -> None:
    png = write_kind(2, 8, 40, 20)
    start = png.index(b"IDAT") + 4
    flipped = png[:start] + bytes([png[start] ^ 0x10]) + png[start + 1 :]

    wrong_sum = png[:-14] + bytes([png[-14] ^ 1]) + png[-13:]
    scan = SMALL_JPEG[: SMALL_JPEG.index(b"\xff\xda") + 200]

    # The product of its sides exceeds 63 bits.
    huge = write_png_header(3_858_759_704, 2_986_344_461)

    for damaged in (png[: start + 20], flipped, wrong_sum, scan, SMALL_JPEG[:300], huge):
        with pytest.raises(UnreadableImageError) as encoded:
            encode(damaged)
        with pytest.raises(UnreadableImageError) as decoded:
            decode(damaged)
        assert str(encoded.value) == str(decoded.value)
    with pytest.raises(LimitExceededError, match=r"800 pixels \(40 x 20\), and max_pixels is 799"):
        encode(png, max_pixels=799)
    assert encode(png, max_pixels=800)


@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_every_damaged_small_file_is_read_as_by_libvips(name: str) -> None:
    whole = {"png": write_kind(3, 4, 21, 9, transparent=True), "jpeg": cut_jpeg(SMALL_JPEG, 24, 24)}[name]
    step = max(1, len(whole) // 300)

    for at in range(0, len(whole), step):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]):
            try:
                expected: object = encode(memoryview(decode(damaged, max_pixels=99_999)), effort=0)
            except (WebPEncodeError, MemoryError) as error:
                expected = type(error)
            try:
                result: object = encode(damaged, keep=None, effort=0, max_pixels=99_999)
            except (WebPEncodeError, MemoryError) as error:
                result = type(error)
            assert result == expected, at


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork()")
def test_libvips_is_not_set_up_for_small_files() -> None:
    # In a forked child, calls that need libvips fail.
    code = (
        "import os, sys, webpencode\n"
        "png = sys.stdin.buffer.read()\n"
        "webpencode.decode(png)\n"
        "if os.fork() == 0:\n"
        "    try:\n"
        "        webpencode.decode(png)\n"
        "    except RuntimeError:\n"
        "        os._exit(len(webpencode.encode(png)) and 7)\n"
        "    os._exit(1)\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], input=write_kind(6, 8, 32, 32), capture_output=True, check=True)

    assert done.stdout.strip() == b"7"
