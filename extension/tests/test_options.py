"""Effects and validation of the options of encode()."""

import struct
import sys
import zlib
from typing import Any

import pytest
import webp
from pictures import PHOTO, PHOTO_SIZE, draw_gradient, draw_noise, orient_jpeg, write_exif, write_png
from webpencode import LimitExceededError, decode, encode, probe

WIDE = write_png(draw_gradient(80, 40))
CLEAR = write_png([[(200, 100, 50, 0)] * 8 for _ in range(8)], alpha=True)


def size_of(out: bytes) -> tuple[int, int]:
    info = webp.read_info(out)
    return info.width, info.height


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"fit": "inside"}, (20, 10)),
        ({"fit": "cover"}, (20, 20)),
        ({"fit": "contain"}, (20, 20)),
        ({"fit": "fill"}, (20, 20)),
        ({"fit": "inside", "height": 100, "width": 100}, (80, 40)),
        ({"fit": "cover", "height": 100, "width": 60}, (60, 40)),
        ({"fit": "contain", "height": 100, "width": 100}, (100, 100)),
        ({"fit": "fill", "height": 100, "width": 30}, (30, 40)),
        ({"fit": "inside", "height": 160, "width": 160, "upscale": True}, (160, 80)),
        ({"fit": "cover", "height": 160, "width": 160, "upscale": True}, (160, 160)),
        ({"fit": "contain", "height": 160, "width": 160, "upscale": True}, (160, 160)),
        ({"fit": "fill", "height": 160, "width": 40, "upscale": True}, (40, 160)),
        ({"fit": "cover", "height": None}, (20, 10)),
        ({"fit": "contain", "height": None}, (20, 10)),
    ],
    ids=str,
)
def test_fit_chooses_how_the_box_is_filled(options: dict[str, Any], size: tuple[int, int]) -> None:
    assert size_of(encode(WIDE, **{"width": 20, "height": 20, **options})) == size


def test_cover_crops_to_the_center() -> None:
    row = [(255, 0, 0, 255)] * 20 + [(0, 255, 0, 255)] * 40 + [(255, 0, 0, 255)] * 20
    out = encode(write_png([row] * 40), width=40, height=40, fit="cover", lossless=True)

    assert all(pixel == (0, 255, 0, 255) for row in webp.decode_lossless(out) for pixel in row)


def test_contain_pads_transparently_or_with_the_background() -> None:
    clear = webp.decode_lossless(encode(WIDE, width=20, height=20, fit="contain", lossless=True))
    white = webp.decode_lossless(
        encode(WIDE, width=20, height=20, fit="contain", background=(255, 255, 255), lossless=True)
    )

    assert clear[0][0][3] == 0
    assert clear[10][10][3] == 255
    assert white[0][0] == (255, 255, 255, 255)
    assert white[10][10] == clear[10][10]


def test_a_rotated_image_is_resized_after_rotation() -> None:
    out = encode(orient_jpeg(PHOTO, 6), width=60, height=1000, fit="fill")

    assert size_of(out) == (60, PHOTO_SIZE[0])


@pytest.mark.parametrize("options", [{}, {"width": 90}], ids=str)
def test_without_autorotate_the_orientation_is_kept(options: dict[str, Any]) -> None:
    out = encode(orient_jpeg(PHOTO, 6), autorotate=False, **options)

    width, height = size_of(out)
    assert width > height
    assert probe(out).orientation == 6
    assert probe(encode(orient_jpeg(PHOTO, 6), **options)).orientation == 1


def test_more_effort_gives_a_smaller_file() -> None:
    sizes = [len(encode(PHOTO, effort=effort)) for effort in (0, 4, 6)]

    assert sizes == sorted(set(sizes), reverse=True)


def test_near_lossless_changes_pixels_slightly() -> None:
    rows = draw_noise(64, 64)
    exact = encode(write_png(rows), near_lossless=100)
    near = encode(write_png(rows), near_lossless=20)

    assert exact == encode(write_png(rows), lossless=True)
    assert len(near) < len(exact)
    worst = max(
        abs(a - b)
        for row, near_row in zip(rows, webp.decode_lossless(near), strict=True)
        for p, q in zip(row, near_row, strict=True)
        for a, b in zip(p, q, strict=True)
    )
    assert 0 < worst < 32


def test_alpha_quality_applies_to_the_alpha_channel() -> None:
    noise = [[(9, 9, 9, red) for red, _, _, _ in row] for row in draw_noise(64, 64)]
    png = write_png(noise, alpha=True)

    assert len(encode(png, alpha_quality=5)) < len(encode(png))


def test_presets_and_sharp_yuv_change_the_file() -> None:
    files = [
        encode(PHOTO),
        encode(PHOTO, preset="drawing"),
        encode(PHOTO, preset="text"),
        encode(PHOTO, sharp_yuv=True),
    ]

    assert len(set(files)) == 4
    assert encode(PHOTO, preset="default") == files[0]


def test_colors_of_transparent_pixels_do_not_bleed_when_one_side_is_shrunk() -> None:
    rows = [[(255, 0, 0, 0) if x % 2 else (0, 0, 255, 255) for x in range(64)] for _ in range(8)]

    out = webp.decode_lossless(encode(write_png(rows, alpha=True), width=32, height=8, fit="fill", lossless=True))

    assert all(red < 8 and blue > 247 for row in out for red, _, blue, alpha in row if alpha > 0)


@pytest.mark.parametrize("autorotate", [True, False])
def test_colors_of_transparent_pixels_do_not_bleed_when_a_rotated_image_is_stretched(autorotate: bool) -> None:
    rows = [[(255, 0, 0, 0) if x % 2 else (0, 0, 255, 255) for x in range(64)] for _ in range(8)]
    png = write_png(rows, alpha=True, exif=write_exif(6))
    box = {"width": 8, "height": 32} if autorotate else {"width": 32, "height": 8}

    out = webp.decode_lossless(encode(png, fit="fill", lossless=True, autorotate=autorotate, **box))

    assert (len(out[0]), len(out)) == tuple(box.values())
    assert all(red < 8 and blue > 247 for row in out for red, _, blue, alpha in row if alpha > 0)
    assert any(alpha > 0 for row in out for *_, alpha in row)


def test_keep_may_be_any_collection() -> None:
    png = write_png(draw_gradient(20, 20), xmp=b"<x/>")

    assert encode(png, keep={"xmp"}) == encode(png, keep=("xmp",))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [2000, 5000])
def test_the_target_size_is_reached_approximately(size: int) -> None:
    assert size * 0.8 < len(encode(PHOTO, target_size=size)) < size * 1.2


def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    for options in ({}, {"lossless": True}, {"width": 100}):
        assert len({encode(PHOTO, threads=threads, **options) for threads in (None, 1, 2, 8)}) == 1


def test_a_background_replaces_transparency() -> None:
    out = webp.decode_lossless(encode(CLEAR, background=(1, 2, 3), lossless=True))

    assert out == [[(1, 2, 3, 255)] * 8 for _ in range(8)]
    assert not webp.read_info(encode(CLEAR, background=(1, 2, 3))).alpha


@pytest.mark.parametrize("box", [{}, {"width": 37}], ids=str)
def test_a_background_gives_the_same_bytes_for_an_array_and_a_file(box: dict[str, Any]) -> None:
    rows = [[(*pixel[:3], pixel[3] * 2 % 256) for pixel in row] for row in draw_gradient(80, 60, alpha=True)]
    array = memoryview(b"".join(bytes(pixel) for row in rows for pixel in row)).cast("B", (60, 80, 4))

    result = encode(array, background=(200, 100, 7), lossless=True, **box)

    assert result == encode(write_png(rows, alpha=True), background=(200, 100, 7), lossless=True, **box)


def test_a_background_replaces_transparency_of_an_array() -> None:
    clear = memoryview(bytes(16)).cast("B", (2, 2, 4))

    assert webp.decode_lossless(encode(clear, background=(1, 2, 3), lossless=True)) == [[(1, 2, 3, 255)] * 2] * 2


# Metadata -------------------------------------------------------------------------------------------------------------


def write_profile(red: tuple[float, float, float], blue: tuple[float, float, float]) -> bytes:
    """Return a matrix profile (ICC.1:2001-04, 6.3.1.2) with these red and blue colorants and a gamma of 1."""

    def s15(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    green = (0.3851, 0.7169, 0.0971)
    white = b"XYZ \0\0\0\0" + s15(0.9642, 1.0, 0.8249)
    curve = b"curv\0\0\0\0\0\0\0\0"
    text = b"desc\0\0\0\0\0\0\0\x05test\0" + bytes(4 + 4 + 2 + 1 + 67)
    tags = {
        b"desc": text,
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": white,
        b"rXYZ": b"XYZ \0\0\0\0" + s15(*red),
        b"gXYZ": b"XYZ \0\0\0\0" + s15(*green),
        b"bXYZ": b"XYZ \0\0\0\0" + s15(*blue),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data = data.ljust(-(-len(data) // 4) * 4, b"\0")
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    size = 128 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + s15(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + table + body


RED, BLUE = (0.4361, 0.2225, 0.0139), (0.1431, 0.0606, 0.7141)
PROFILE = write_profile(BLUE, RED)


def add_profile(png: bytes, profile: bytes) -> bytes:
    body = b"iCCP" + b"test\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]


@pytest.mark.parametrize("options", [{}, {"width": 10}], ids=str)
def test_a_profile_is_kept_or_applied(options: dict[str, Any]) -> None:
    """The profile swaps red and blue, so both cases give different pixels."""
    png = add_profile(write_png([[(255, 0, 0, 255)] * 20 for _ in range(20)]), PROFILE)

    kept = encode(png, lossless=True, **options)
    applied = encode(png, lossless=True, keep=("exif", "xmp"), **options)

    assert dict(webp.read_chunks(kept))["ICCP"] == PROFILE
    assert webp.decode_lossless(kept)[0][0] == (255, 0, 0, 255)
    assert webp.read_info(applied).chunks == ("VP8L",)
    red, green, blue, _ = webp.decode_lossless(applied)[0][0]
    assert (red, green, blue) == pytest.approx((0, 0, 255), abs=3)


def test_only_the_metadata_in_keep_is_kept() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
    png = add_profile(write_png(draw_gradient(20, 20), xmp=xmp), PROFILE)

    for keep, names in {("icc",): {"ICCP"}, ("xmp",): {"XMP "}, ("icc", "xmp"): {"ICCP", "XMP "}}.items():
        assert set(webp.read_info(encode(png, keep=keep)).chunks) - {"VP8X", "VP8 "} == names
    for keep_none in (None, (), []):
        assert webp.read_info(encode(png, keep=keep_none)).chunks == ("VP8 ",)
        assert webp.read_info(encode(orient_jpeg(PHOTO, 3), keep=keep_none)).chunks == ("VP8 ",)


def add_orientation(png: bytes, orientation: int) -> bytes:
    """Add an eXIf chunk with only an orientation (PNG, third edition, 11.3.3.6)."""
    body = b"eXIf" + struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


# Limits and invalid options -------------------------------------------------------------------------------------------


def test_an_image_with_too_many_pixels_is_rejected() -> None:
    pixels = PHOTO_SIZE[0] * PHOTO_SIZE[1]

    assert encode(PHOTO, max_pixels=pixels)
    for read in (encode, decode):
        with pytest.raises(LimitExceededError) as caught:
            read(PHOTO, max_pixels=pixels - 1, width=10)
        assert (caught.value.number, caught.value.limit) == (pixels, pixels - 1)
        assert str(caught.value) == f"the image has {pixels} pixels (360 x 240), and max_pixels is {pixels - 1}"


@pytest.mark.parametrize("size", [8 << 20, (8 << 20) + 4], ids=["small enough", "too large"])
def test_the_decompressed_color_profile_of_a_png_is_limited(size: int) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    profile = (struct.pack(">I", size) + PROFILE[4:]).ljust(size, b"\0")
    png = write_png(draw_gradient(4, 4))
    bomb = png[:33] + chunk(b"iCCP", b"bomb\0\0" + zlib.compress(profile)) + png[33:]
    assert len(bomb) < 20_000

    if size > 8 << 20:
        for read in (encode, decode):
            with pytest.raises(LimitExceededError) as caught:
                read(bomb, width=2)
            assert str(caught.value) == f"the image has a color profile of {size} bytes, and at most 8388608 are read"
            assert (caught.value.number, caught.value.limit) == (size, 8 << 20)
    else:
        assert len(encode(bomb)) > size
    assert probe(bomb).icc


@pytest.mark.parametrize("read", [encode, decode])
@pytest.mark.parametrize(
    ("orientation", "options", "size"),
    [
        (1, {"width": 800, "height": 800, "fit": "cover"}, (800, 800000)),
        (1, {"width": 800}, (800, 800000)),
        (6, {"height": 800}, (800000, 800)),
        (1, {"width": 10_000_000}, (10_000_000, 10_000_000_000)),
    ],
    ids=str,
)
def test_upscaling_a_line_beyond_max_pixels_is_rejected(
    read: Any, orientation: int, options: dict[str, Any], size: tuple[int, int]
) -> None:
    line = write_png([[(9, 9, 9, 255)]] * 1000)
    if orientation != 1:
        line = add_orientation(line, orientation)

    with pytest.raises(LimitExceededError) as caught:
        read(line, upscale=True, max_pixels=1_000_000, **options)

    assert (
        str(caught.value) == f"upscaling would make the image {size[0]} x {size[1]} pixels, and max_pixels is 1000000"
    )
    assert (caught.value.number, caught.value.limit) == (size[0] * size[1], 1_000_000)


@pytest.mark.parametrize("fit", ["inside", "contain", "fill"])
def test_a_box_with_both_sides_may_be_larger_than_max_pixels(fit: str) -> None:
    assert decode(WIDE, width=160, height=160, fit=fit, upscale=True, max_pixels=80 * 40).shape[1] == 160  # type: ignore[arg-type]


@pytest.mark.skipif(sys.maxsize > 1 << 32, reason="only for 32-bit systems")
def test_max_pixels_is_limited_on_32_bit_systems() -> None:
    frame = struct.pack("<BHHHHBB", 0x2C, 0, 0, 40_000, 40_000, 0, 2) + bytes.fromhex("02440100")
    gif = b"GIF89a" + struct.pack("<HHBBB", 40_000, 40_000, 0x80, 0, 0) + bytes(6) + frame + b";"

    with pytest.raises(LimitExceededError) as caught:
        encode(gif, width=9, max_pixels=10**10)

    assert (caught.value.number, caught.value.limit) == (1_600_000_000, (1 << 28) - 1)


def test_a_decompression_bomb_is_rejected_from_its_header() -> None:
    # The header of this 80-byte file declares 2.5 billion pixels.
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 6, 0, 0, 0)
    bomb = bytearray(write_png(draw_gradient(4, 4)))
    bomb[16:29] = header
    bomb[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + header))

    with pytest.raises(LimitExceededError, match=r"^the image has 2500000000 pixels \(50000 x 50000\)"):
        encode(bytes(bomb), width=10)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"width": 0}, ValueError, "width must be from 1 to 10000000, not 0"),
        ({"width": -1}, ValueError, "width must be from 1 to 10000000, not -1"),
        ({"height": 10_000_001}, ValueError, "height must be from 1 to 10000000, not 10000001"),
        ({"height": 1 << 100}, ValueError, "height must be from 1 to 10000000"),
        ({"height": -(1 << 100)}, ValueError, "height must be from 1 to 10000000"),
        ({"width": "800"}, TypeError, "width must be an integer or None, not str"),
        ({"width": 800.0}, TypeError, "width must be an integer or None, not float"),
        ({"quality": -1}, ValueError, "quality must be from 0 to 100, not -1"),
        ({"quality": 101}, ValueError, "quality must be from 0 to 100, not 101"),
        ({"quality": 75.0}, TypeError, "quality must be an integer, not float"),
        ({"quality": None}, TypeError, "quality must be an integer, not NoneType"),
        ({"fit": "outside"}, ValueError, "fit must be 'inside', 'cover', 'contain' or 'fill', not 'outside'"),
        ({"fit": None}, TypeError, "fit must be a string, not NoneType"),
        (
            {"filter": "sinc"},
            ValueError,
            "filter must be 'lanczos3', 'lanczos2', 'mitchell', 'cubic', 'linear', 'area' or 'nearest', not 'sinc'",
        ),
        ({"filter": 3}, TypeError, "filter must be a string, not int"),
        ({"near_lossless": 101}, ValueError, "near_lossless must be from 0 to 100, not 101"),
        ({"effort": 7}, ValueError, "effort must be from 0 to 6, not 7"),
        ({"alpha_quality": -1}, ValueError, "alpha_quality must be from 0 to 100, not -1"),
        (
            {"preset": "x"},
            ValueError,
            "preset must be 'default', 'picture', 'photo', 'drawing', 'icon' or 'text', not 'x'",
        ),
        ({"target_size": 0}, ValueError, "target_size must be from 1 to 2147483647, not 0"),
        ({"keep": "icc"}, TypeError, "keep must be a sequence of strings or None, not str"),
        ({"keep": 5}, TypeError, "keep must be a sequence of strings or None"),
        ({"keep": ["iptc"]}, ValueError, "keep must be a sequence of 'icc', 'exif' and 'xmp', not 'iptc'"),
        ({"background": 5}, TypeError, "background must be three integers (red, green, blue) or None"),
        ({"background": (1, 2)}, TypeError, "background must be three integers (red, green, blue) or None"),
        ({"background": (1, 2, 256)}, ValueError, "background must be from 0 to 255, not 256"),
        ({"max_pixels": 0}, ValueError, "max_pixels must be from 1 to 9223372036854775807, not 0"),
        ({"max_pixels": None}, TypeError, "max_pixels must be an integer, not NoneType"),
        ({"loop": 65536}, ValueError, "loop must be from 0 to 65535, not 65536"),
        ({"threads": 0}, ValueError, "threads must be from 1 to 1024, not 0"),
    ],
)
def test_an_invalid_option_is_an_error_with_its_allowed_values(
    options: dict[str, Any], error: type, message: str
) -> None:
    with pytest.raises(error) as caught:
        encode(PHOTO, **options)

    assert str(caught.value) == message
    assert type(caught.value) is error
