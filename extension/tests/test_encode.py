"""Encoding of image files with encode()."""

import array
import struct
from collections.abc import Callable
from typing import Any

import pytest
import webp
from pictures import (
    CMYK,
    CMYK_SIZE,
    PHOTO,
    PHOTO_SIZE,
    cut_jpeg,
    draw_gradient,
    draw_noise,
    orient_jpeg,
    write_gif,
    write_gray_png,
    write_png,
)
from webpencode import decode, encode, versions

LIBVIPS = tuple(int(number) for number in versions()["libvips"].split(".")[:2])
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
STRIPES = [[(x // 7 + y // 5) % 3 for x in range(50)] for y in range(40)]


def test_a_photograph_becomes_a_lossy_webp_that_is_smaller() -> None:
    out = encode(PHOTO)

    info = webp.read_info(out)
    assert (info.width, info.height) == PHOTO_SIZE
    assert not info.lossless
    assert not info.alpha
    assert len(out) < len(PHOTO)


def test_the_result_is_bytes_and_reproducible() -> None:
    assert type(encode(PHOTO)) is bytes
    assert encode(PHOTO) == encode(PHOTO)


def test_a_cmyk_jpeg_is_read() -> None:
    info = webp.read_info(encode(CMYK))

    assert (info.width, info.height) == CMYK_SIZE


def test_a_png_keeps_its_transparency() -> None:
    png = write_png(draw_gradient(40, 30, alpha=True), alpha=True)

    info = webp.read_info(encode(png))

    assert (info.width, info.height, info.alpha) == (40, 30, True)


def test_an_opaque_png_is_encoded_without_alpha() -> None:
    assert not webp.read_info(encode(write_png(draw_gradient(40, 30)))).alpha


@pytest.mark.parametrize("bits", [8, 16])
def test_a_gray_png_of_any_depth_keeps_its_ramp(bits: int) -> None:
    rows = webp.decode_lossless(encode(write_gray_png(52, 3, bits=bits), lossless=True))

    assert [pixel[0] for pixel in rows[0]] == [x * 5 for x in range(52)]
    assert all(pixel[0] == pixel[1] == pixel[2] for row in rows for pixel in row)


def test_a_gif_is_read() -> None:
    gif = write_gif([STRIPES], [RED, GREEN, BLUE])

    rows = webp.decode_lossless(encode(gif, lossless=True))

    assert [[pixel[:3] for pixel in row] for row in rows] == [[(RED, GREEN, BLUE)[at] for at in row] for row in STRIPES]


def test_a_webp_is_read() -> None:
    info = webp.read_info(encode(encode(PHOTO), width=90))

    assert (info.width, info.height) == (90, 60)


@pytest.mark.parametrize("rows", [draw_gradient(61, 43), draw_noise(33, 29)], ids=["gradient", "noise"])
def test_lossless_keeps_every_pixel(rows: list[list[webp.Pixel]]) -> None:
    out = encode(write_png(rows), lossless=True)

    assert webp.read_info(out).lossless
    assert webp.decode_lossless(out) == rows


def test_lossless_keeps_transparency_exactly() -> None:
    rows = draw_gradient(61, 43, alpha=True)

    out = encode(write_png(rows, alpha=True), lossless=True)

    assert webp.decode_lossless(out) == rows


def test_encoding_a_lossless_webp_again_keeps_its_pixels() -> None:
    rows = draw_gradient(61, 43, alpha=True)
    first = encode(write_png(rows, alpha=True), lossless=True)

    assert webp.decode_lossless(encode(first, lossless=True)) == rows


def test_higher_quality_gives_more_bytes() -> None:
    sizes = [len(encode(PHOTO, quality=quality)) for quality in (0, 30, 75, 100)]

    assert sizes == sorted(set(sizes))


def test_the_default_quality_is_75() -> None:
    assert encode(PHOTO) == encode(PHOTO, quality=75)
    assert encode(PHOTO) != encode(PHOTO, quality=74)


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ({"width": 180}, (180, 120)),
        ({"height": 60}, (90, 60)),
        ({"width": 180, "height": 60}, (90, 60)),
        ({"width": 90, "height": 200}, (90, 60)),
        ({"width": 1}, (1, 1)),
        ({"width": None, "height": 120}, (180, 120)),
    ],
    ids=str,
)
def test_the_image_fits_into_the_box_and_keeps_its_aspect_ratio(box: dict[str, Any], size: tuple[int, int]) -> None:
    info = webp.read_info(encode(PHOTO, **box))

    assert (info.width, info.height) == size


@pytest.mark.skipif(LIBVIPS < (8, 14), reason="libvips 8.10 rounds sizes differently and shrinks by other factors")
@pytest.mark.parametrize("size", [(359, 239), (353, 237), (357, 233)], ids=str)
@pytest.mark.parametrize(
    "box", [{"width": 44}, {"width": 80}, {"height": 29}, {"width": 50, "height": 50, "fit": "cover"}], ids=str
)
def test_a_jpeg_that_is_shrunk_on_load_keeps_its_aspect_ratio_and_edges(
    size: tuple[int, int], box: dict[str, Any]
) -> None:
    jpeg = cut_jpeg(PHOTO, *size)
    png = write_png(memoryview(decode(jpeg)).tolist())

    read, exact = memoryview(decode(jpeg, **box)), memoryview(decode(png, **box))

    assert read.shape == exact.shape
    assert sum(abs(a - b) for a, b in zip(bytes(read), bytes(exact), strict=True)) / len(bytes(exact)) < 2


@pytest.mark.parametrize("box", [{"width": 1000}, {"height": 1000}, {"width": 360, "height": 9999}], ids=str)
def test_the_image_is_not_enlarged_by_default(box: dict[str, Any]) -> None:
    info = webp.read_info(encode(PHOTO, **box))

    assert (info.width, info.height) == PHOTO_SIZE


def test_resizing_keeps_transparency() -> None:
    png = write_png(draw_gradient(80, 60, alpha=True), alpha=True)

    info = webp.read_info(encode(png, width=40))

    assert (info.width, info.height, info.alpha) == (40, 30, True)


def test_colors_of_transparent_pixels_do_not_bleed_when_resizing() -> None:
    # Red pixels are fully transparent, blue ones are opaque: all visible pixels must be blue.
    rows = [[(255, 0, 0, 0) if x % 2 else (0, 0, 255, 255) for x in range(64)] for _ in range(64)]

    small = webp.decode_lossless(encode(write_png(rows, alpha=True), width=16, lossless=True))

    assert all(red < 8 and blue > 247 for row in small for red, _, blue, alpha in row if alpha > 0)


def turn_upright(rows: list[list[webp.Pixel]], orientation: int) -> list[list[webp.Pixel]]:
    """Apply an orientation as EXIF 2.3 (4.6.4, tag 0x0112) requires of a viewer."""
    flipped: dict[int, Callable[[], list[list[webp.Pixel]]]] = {
        1: lambda: rows,
        2: lambda: [row[::-1] for row in rows],
        3: lambda: [row[::-1] for row in rows[::-1]],
        4: lambda: rows[::-1],
        5: lambda: [list(column) for column in zip(*rows, strict=True)],
        6: lambda: [list(column) for column in zip(*rows[::-1], strict=True)],
        7: lambda: [list(column) for column in zip(*[row[::-1] for row in rows[::-1]], strict=True)],
        8: lambda: [list(column) for column in zip(*[row[::-1] for row in rows], strict=True)],
    }
    return flipped[orientation]()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation: int) -> None:
    as_stored = webp.decode_lossless(encode(PHOTO, lossless=True, width=60))
    whole = webp.decode_lossless(encode(orient_jpeg(CMYK, orientation), lossless=True))

    shrunk = webp.decode_lossless(encode(orient_jpeg(PHOTO, orientation), lossless=True, width=60, height=60))

    assert whole == turn_upright(webp.decode_lossless(encode(CMYK, lossless=True)), orientation)
    assert shrunk == turn_upright(as_stored, orientation)


def test_the_orientation_is_reset_after_it_was_applied() -> None:
    chunks = dict(webp.read_chunks(encode(orient_jpeg(PHOTO, 6))))

    encoded_twice = webp.read_info(encode(encode(orient_jpeg(PHOTO, 6))))

    assert (encoded_twice.width, encoded_twice.height) == PHOTO_SIZE[::-1]
    assert b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00" not in chunks.get("EXIF", b"")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["B", "H", "I"])
def test_an_orientation_of_any_integer_type_is_applied_once(kind: str, order: str) -> None:
    turned = encode(orient_jpeg(PHOTO, 6, kind=kind, order=order))

    info = webp.read_info(turned)
    assert (info.width, info.height) == PHOTO_SIZE[::-1]
    assert dict(webp.read_chunks(turned))["EXIF"][:-4].endswith(struct.pack(order + kind, 1).ljust(4, b"\0"))
    assert webp.read_info(encode(turned)).width == info.width


@pytest.mark.parametrize("options", [{}, {"width": 20}], ids=str)
def test_metadata_is_kept(options: dict[str, Any]) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
    png = write_png(draw_gradient(40, 30), xmp=xmp)

    assert dict(webp.read_chunks(encode(png, **options)))["XMP "] == xmp
    assert "EXIF" in webp.read_info(encode(orient_jpeg(PHOTO, 3), **options)).chunks


@pytest.mark.parametrize("options", [{}, {"width": 20}], ids=str)
def test_no_metadata_is_added(options: dict[str, Any]) -> None:
    chunks = webp.read_info(encode(write_png(draw_gradient(40, 30)), **options)).chunks

    assert chunks == ("VP8 ",)


@pytest.mark.parametrize(
    "wrap", [bytearray, memoryview, lambda data: array.array("B", data)], ids=["bytearray", "memoryview", "array"]
)
def test_all_bytes_like_objects_are_accepted(wrap: Callable[[bytes], bytes]) -> None:
    assert encode(wrap(PHOTO)) == encode(PHOTO)


def test_a_slice_of_a_buffer_is_accepted() -> None:
    view = memoryview(b"before" + PHOTO + b"after")[6:-5]

    assert encode(view) == encode(PHOTO)


def test_source_may_be_a_keyword_argument() -> None:
    assert encode(source=PHOTO) == encode(PHOTO)


def test_bytes_after_the_end_of_the_image_are_ignored() -> None:
    assert encode(PHOTO + b"\0" * 1000) == encode(PHOTO)
