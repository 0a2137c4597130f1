"""Valid files that are unusual, and damaged ones that look valid."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import webp
from pictures import (
    PHOTO,
    PHOTO_SIZE,
    PROGRESSIVE,
    add_app1,
    add_chunk,
    cut_jpeg,
    draw_gradient,
    draw_noise,
    orient_jpeg,
    write_animated_webp,
    write_exif,
    write_frames,
    write_gray_png,
    write_png,
    write_png_header,
)
from test_options import add_profile, write_profile
from webpencode import LimitExceededError, UnreadableImageError, decode, encode, probe

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 255, 0)
CLEAR = (0, 0, 0, 0)
XMP = "http://ns.adobe.com/xap/1.0/"


def read_pixels(source: Any, **options: Any) -> list[tuple[int, ...]]:
    """Return the pixels of an encoded still image in rows from left to right."""
    return [pixel for row in webp.decode_lossless(encode(source, lossless=True, **options)) for pixel in row]


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


# Sizes -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit", ["inside", "cover", "contain", "fill"])
@pytest.mark.parametrize("upscale", [False, True])
def test_no_side_of_a_small_image_is_shrunk_to_nothing(fit: str, upscale: bool) -> None:
    """All sizes up to 9 x 9, in boxes of one and of two sides."""
    for width in range(1, 10):
        for height in range(1, 10):
            source = memoryview(bytes(width * height * 3)).cast("B", (height, width, 3))
            for box in ({"width": 1}, {"height": 1}, {"width": 4}, {"height": 9}, {"width": 1, "height": 3}):
                info = webp.read_info(encode(source, fit=fit, upscale=upscale, effort=0, **box))
                if len(box) == 2 and fit != "inside" and (upscale or fit == "contain"):
                    assert (info.width, info.height) == (box["width"], box["height"])
                elif len(box) == 2:
                    assert 1 <= info.width <= box["width"] or fit == "cover"
                else:
                    assert info.width >= 1
                    assert info.height >= 1


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("fit", ["inside", "cover", "contain", "fill"])
def test_lines_are_shrunk_in_every_format(fit: str, orientation: int) -> None:
    jpeg = orient_jpeg(PHOTO, orientation)
    at = jpeg.index(b"\xff\xc0") + 5
    for height in (1, 2, 3):
        line = jpeg[:at] + struct.pack(">H", height) + jpeg[at + 2 :]
        png = write_png(draw_gradient(360, height, alpha=True), alpha=True, exif=write_exif(orientation))
        for source in (line, png, encode(png, lossless=True)):
            for box in (1, 3, 45, 90, 359):
                info = webp.read_info(encode(source, width=box, height=box, fit=fit, effort=0))
                assert info.width >= 1
                assert info.height >= 1


@pytest.mark.parametrize("height", [509, 510, 511, 998, 999, 1000])
def test_a_tall_image_is_shrunk(height: int) -> None:
    gray = write_gray_png(10, 4000, bits=8)

    assert decode(gray, height=height).shape[0] == height


# A WebP file of 2 x 2 pixels, and one of another color.
FIRST, SECOND = (encode(write_png([[(*color, 255)] * 2] * 2), lossless=True) for color in (RED, BLUE))


@pytest.mark.parametrize(
    ("source", "side", "limit", "library"),
    [
        (write_png_header(2**31 - 1, 2**31 - 1), 2**31 - 1, 10_000_000, "libvips"),
        (write_png_header(1, 10_000_001), 10_000_001, 10_000_000, "libvips"),
        (write_animated_webp((16_384, 1), [(FIRST, 0, 0, 50)]), 16_384, 16_383, "libvips"),
        (write_animated_webp((2**24, 2**24), [(FIRST, 0, 0, 50)]), 2**24, 16_383, "libvips"),
        (cut_jpeg(PHOTO, 65_535, 65_535), 65_535, 65_500, "libjpeg"),
    ],
    ids=["PNG", "tall PNG", "WebP", "largest WebP", "JPEG"],
)
def test_sides_that_no_library_reads_are_refused(source: bytes, side: int, limit: int, library: str) -> None:
    for read in (encode, decode, probe):
        options = {} if read is probe else {"max_pixels": 2**62}
        with pytest.raises(LimitExceededError) as caught:
            read(source, **options)
        assert str(caught.value) == f"the image has a side of {side} pixels, and {library} reads at most {limit}"
        assert (caught.value.number, caught.value.limit) == (side, limit)


def test_large_sides_are_counted_against_max_pixels() -> None:
    with pytest.raises(LimitExceededError, match=r"^the image has 100000000000000 pixels \(10000000 x 10000000\)"):
        encode(write_png_header(10_000_000, 10_000_000))


def test_frames_that_enlarge_a_gif_beyond_the_longest_side_are_an_error() -> None:
    with pytest.raises(
        LimitExceededError, match=r"^the image has a side of 65537 pixels, and libvips reads at most 65536$"
    ):
        encode(write_frames((10, 10), [(0, 65_535, 65_535, 2, 2, 0)], [RED]))


@pytest.mark.parametrize(
    "source",
    [write_png_header(2**31, 1), write_png_header(0, 0), cut_jpeg(PHOTO, 0, 0), cut_jpeg(PHOTO, 360, 0)],
    ids=["PNG of 2^31 columns", "empty PNG", "empty JPEG", "JPEG without height"],
)
def test_invalid_sides_are_an_error(source: bytes) -> None:
    for read in (encode, decode, probe):
        with pytest.raises(UnreadableImageError):
            read(source)


# Samples, colors and transparency --------------------------------------------------------------------------------------


def test_a_file_and_an_array_of_sixteen_bits_give_the_same_bytes() -> None:
    png = write_gray_png(257, 3, bits=16)
    values = [x * 65535 // 256 for x in range(257)] * 3
    array = memoryview(struct.pack("<771H", *values)).cast("B").cast("H", (3, 257))

    for options in ({}, {"width": 100}):
        assert encode(png, lossless=True, **options) == encode(array, lossless=True, **options)


@pytest.mark.parametrize("alpha", [3, 10, 25, 128, 200])
@pytest.mark.parametrize("options", [{"width": 8}, {"width": 8, "height": 8, "fit": "fill"}], ids=str)
def test_faint_colors_are_kept_when_resizing(alpha: int, options: dict[str, Any]) -> None:
    png = write_png([[(200, 100, 50, alpha)] * 16] * 16, alpha=True)

    for source in (png, encode(png, lossless=True)):
        for pixel in read_pixels(source, **options):
            assert pixel[3] == alpha
            assert all(abs(a - b) <= 1 for a, b in zip(pixel, (200, 100, 50), strict=False))


@pytest.mark.parametrize(("width", "height"), [(1, 64), (64, 1)])
def test_transparent_pixels_of_a_line_do_not_bleed(width: int, height: int) -> None:
    line = [(0, 0, 255, 255) if i % 2 == 0 else (255, 0, 0, 0) for i in range(64)]
    png = write_png([line] if height == 1 else [[pixel] for pixel in line], alpha=True)

    for pixel in read_pixels(png, width=max(1, width // 4), height=max(1, height // 4)):
        assert pixel[:3] == (0, 0, 255)


def test_a_webp_is_shrunk_like_a_png() -> None:
    png = write_png(draw_noise(120, 80))

    assert bytes(decode(encode(png, lossless=True), width=50)) == bytes(decode(png, width=50))


def test_the_background_is_srgb_with_any_profile() -> None:
    swapped = write_profile((0.1431, 0.0606, 0.7141), (0.4361, 0.2225, 0.0139))  # the columns of red and blue
    png = add_profile(write_png([[(0, 0, 0, 0)] * 4] * 4, alpha=True), swapped)

    kept = read_pixels(png, background=(200, 60, 10))[0]
    applied = read_pixels(png, background=(200, 60, 10), keep=())[0]

    assert kept[:3] == (1, 12, 147)  # the profile swaps red and blue, and has a gamma of 1
    assert applied[:3] == (200, 60, 10)


@pytest.mark.parametrize(("old", "new"), [(b"TRC", b"XXX"), (b"curv\0", b"XXXX\0")], ids=["missing", "of unknown type"])
def test_a_profile_without_curves_is_ignored(old: bytes, new: bytes) -> None:
    rows = draw_gradient(8, 8)
    profile = write_profile((0.1431, 0.0606, 0.7141), (0.4361, 0.2225, 0.0139))
    png = add_profile(write_png(rows), profile.replace(old, new))
    whole = add_profile(write_png(rows), profile)

    assert (probe(png).icc, probe(png).usable_icc, probe(whole).usable_icc) == (True, False, True)
    for keep in (None, ()):
        out = encode(png, lossless=True, keep=keep)
        assert "ICCP" not in dict(webp.read_chunks(out))
        assert webp.decode_lossless(out) == webp.decode_lossless(encode(write_png(rows), lossless=True))


# Damage ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("options", [{}, {"width": 90}], ids=str)
def test_a_jpeg_whose_data_end_before_the_end_marker_is_an_error(part: float, options: dict[str, Any]) -> None:
    start = PHOTO.index(b"\xff\xda")
    cut = PHOTO[: start + int((len(PHOTO) - start) * part)].rstrip(b"\xff")

    for read in (encode, decode):
        with pytest.raises(UnreadableImageError, match="premature end"):
            read(cut + b"\xff\xd9", **options)


def test_a_jpeg_without_its_end_marker_is_read() -> None:
    assert bytes(decode(PHOTO[:-2])) == bytes(decode(PHOTO))
    with pytest.raises(UnreadableImageError, match="premature end"):
        decode(PROGRESSIVE[:-2])  # more scans may be missing


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
def test_a_wrong_checksum_in_a_png_is_an_error(name: bytes) -> None:
    png = write_png(draw_noise(20, 10))
    at = png.index(name)
    damaged = bytearray(png)
    damaged[at + 4 + int.from_bytes(png[at - 4 : at], "big")] ^= 1

    for read in (encode, decode):
        with pytest.raises(UnreadableImageError):
            read(bytes(damaged))


def test_a_gif_frame_with_missing_pixels_is_an_error() -> None:
    for frames in (1, 3):
        gif = write_frames((40, 40), [(0, 0, 0, 40, 40, 0)] * frames, [RED], count=800)
        for read in (encode, decode):
            with pytest.raises(UnreadableImageError, match="end of GIF"):
                read(gif)


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt"])
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_compressed_texts_of_a_png_are_not_read(name: bytes, before: bytes) -> None:
    rows = draw_gradient(4, 4)
    start = b"Comment\0\0" if name == b"zTXt" else b"Comment\0\1\0\0\0"
    bomb = zlib.compress(bytes(50_000_000))
    png = write_png(rows)
    for _ in range(20):
        png = add_chunk(png, name, start + bomb, before=before)

    assert encode(png) == encode(write_png(rows))
    assert probe(png) == probe(write_png(rows))


# Animations ------------------------------------------------------------------------------------------------------------


def test_nothing_is_painted_outside_the_frames_of_a_gif() -> None:
    gif = write_frames((10, 10), [(0, 3, 3, 4, 4, 0)], [RED])

    pixels = read_pixels(gif)

    assert (pixels[0], pixels[44]) == (CLEAR, (*RED, 255))
    assert probe(gif).has_alpha
    assert read_pixels(gif, background=(255, 255, 255))[0] == (255, 255, 255, 255)


def test_restoring_the_background_of_a_gif_clears_the_frame() -> None:
    gif = write_frames((6, 6), [(1, 0, 0, 6, 6, 2), (2, 0, 0, 2, 2, 1)], [BLUE, RED, GREEN], loops=0)

    first, second = webp.compose_lossless(encode(gif, lossless=True))

    assert first == [[(*RED, 255)] * 6] * 6
    assert second == [[(*GREEN, 255)] * 2 + [CLEAR] * 4] * 2 + [[CLEAR] * 6] * 4


def test_restoring_the_previous_frame_of_a_gif() -> None:
    frames = [(0, 0, 0, 4, 4, 1), (1, 0, 0, 2, 2, 3), (2, 2, 2, 2, 2, 1)]

    shown = webp.compose_lossless(encode(write_frames((4, 4), frames, [BLUE, RED, GREEN]), lossless=True))

    assert shown[1] == [[(*RED, 255)] * 2 + [(*BLUE, 255)] * 2] * 2 + [[(*BLUE, 255)] * 4] * 2
    assert shown[2] == [[(*BLUE, 255)] * 4] * 2 + [[(*BLUE, 255)] * 2 + [(*GREEN, 255)] * 2] * 2


def test_a_padded_animation_states_its_transparency() -> None:
    gif = write_frames((8, 8), [(0, 0, 0, 8, 8, 0), (1, 0, 0, 8, 8, 0)], [RED, BLUE])

    padded = dict(webp.read_chunks(encode(gif, width=16, height=8, fit="contain")))["VP8X"]
    opaque = dict(webp.read_chunks(encode(gif)))["VP8X"]

    assert (padded[0] & 0x10, opaque[0] & 0x10) == (0x10, 0)


@pytest.mark.parametrize(("loops", "times"), [(65_534, 65_535), (65_535, 65_535)])
def test_a_loop_count_beyond_that_of_webp_is_limited(loops: int, times: int) -> None:
    gif = write_frames((2, 2), [(0, 0, 0, 2, 2, 0), (1, 0, 0, 2, 2, 0)], [RED, BLUE], loops=loops)

    assert struct.unpack("<IH", dict(webp.read_chunks(encode(gif)))["ANIM"]) == (0xFFFFFFFF, times)


def read_delays(out: bytes) -> list[int]:
    return [int.from_bytes(body[12:15], "little") for name, body in webp.read_chunks(out) if name == "ANMF"]


def test_delays_may_add_up_to_more_than_32_bits() -> None:
    longest = 2**24 - 1
    animation = write_animated_webp((2, 2), [(FIRST, 0, 0, longest), (SECOND, 0, 0, longest)] * 150)

    assert read_delays(encode(animation, lossless=True, effort=0)) == [longest] * 300  # 5,033,164,500 ms


def test_delays_of_identical_frames_may_add_up_to_more_than_24_bits() -> None:
    gif = write_frames((2, 2), [(0, 0, 0, 2, 2, 0)] * 60 + [(1, 0, 0, 2, 2, 0)], [RED, BLUE])
    gif = gif.replace(struct.pack("<BH", 0, 10), struct.pack("<BH", 0, 65_535))

    delays = read_delays(encode(gif, lossless=True))

    assert (sum(delays), delays[-1]) == (61 * 655_350, 655_350)


@pytest.mark.parametrize(("left", "top"), [(2, 0), (0, 2), (2**25 - 2, 2**25 - 2)])
def test_a_webp_frame_outside_the_canvas_is_an_error(left: int, top: int) -> None:
    animation = write_animated_webp((2, 2), [(FIRST, 0, 0, 50), (SECOND, left, top, 50)])

    for read in (encode, decode, probe):
        with pytest.raises(UnreadableImageError, match="unable to parse"):
            read(animation)


def test_only_the_part_of_a_gif_frame_inside_the_canvas_is_painted() -> None:
    frames = [(0, 0, 0, 6, 6, 1), (1, 4, 4, 4, 4, 1), (1, 65_535, 65_535, 2, 2, 1)]

    shown = webp.compose_lossless(encode(write_frames((6, 6), frames, [RED, BLUE]), lossless=True))

    assert shown[-1] == [[(*RED, 255)] * 6] * 4 + [[(*RED, 255)] * 4 + [(*BLUE, 255)] * 2] * 2


@pytest.mark.parametrize("kind", ["GIF", "WebP"])
def test_an_animation_with_too_many_frames_is_refused(kind: str) -> None:
    if kind == "WebP":
        single = write_animated_webp((2, 2), [(FIRST, 0, 0, 50)])
        start = single.index(b"ANMF")
        many = single[:start] + single[start:] * 65_536
        many = many[:4] + struct.pack("<I", len(many) - 8) + many[8:]
    else:
        single = write_frames((2, 2), [(0, 0, 0, 2, 2, 0)], [RED])
        start = single.index(b"\x21\xf9")
        many = single[:start] + single[start:-1] * 65_536 + b";"

    for read in (encode, decode, probe):
        with pytest.raises(LimitExceededError) as caught:
            read(many)
        assert str(caught.value) == "the animation has 65536 frames, and at most 65535 are read"


def test_the_first_frame_of_a_gif_enlarges_the_canvas() -> None:
    assert probe(write_frames((10, 10), [(0, 0, 0, 16, 16, 0)], [RED]))[1:3] == (16, 16)


# Metadata --------------------------------------------------------------------------------------------------------------


def write_packet(properties: str, names: str = "xmlns:tiff='http://ns.adobe.com/tiff/1.0/'") -> bytes:
    rdf = "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'"
    return (
        f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF {rdf}><rdf:Description {names} {properties}</rdf:RDF>".encode()
    )


@pytest.mark.parametrize(
    ("properties", "names"),
    [
        ("tiff:Orientation='{}'/>", "xmlns:tiff='http://ns.adobe.com/tiff/1.0/'"),
        ('tiff:Orientation = "{}"/>', "xmlns:tiff='http://ns.adobe.com/tiff/1.0/'"),
        ("a:Orientation='{}'/>", "xmlns:a='http://ns.adobe.com/tiff/1.0/'"),
        ("><tiff:Orientation>{}</tiff:Orientation></rdf:Description>", "xmlns:tiff='http://ns.adobe.com/tiff/1.0/'"),
        ("><Orientation xmlns='http://ns.adobe.com/tiff/1.0/'>{}</Orientation></rdf:Description>", ""),
    ],
    ids=["attribute", "double quotes", "prefix", "element", "default namespace"],
)
def test_the_orientation_in_xmp_is_that_of_the_pixels(properties: str, names: str) -> None:
    packet = write_packet(properties.format(6), names)
    jpeg = add_app1(orient_jpeg(PHOTO, 6), f"{XMP}\0".encode() + packet)

    assert dict(webp.read_chunks(encode(jpeg)))["XMP "] == write_packet(properties.format(1), names)
    assert dict(webp.read_chunks(encode(jpeg, autorotate=False)))["XMP "] == packet


def test_sizes_in_xmp_are_those_of_the_encoded_image() -> None:
    names = "xmlns:tiff='http://ns.adobe.com/tiff/1.0/' xmlns:exif='http://ns.adobe.com/exif/1.0/'"
    properties = "tiff:ImageWidth='{0}' tiff:ImageLength='{1}' exif:PixelXDimension='{0}' exif:PixelYDimension='{1}'/>"
    jpeg = add_app1(PHOTO, f"{XMP}\0".encode() + write_packet(properties.format(*PHOTO_SIZE), names))

    resized = dict(webp.read_chunks(encode(jpeg, width=36)))["XMP "]

    assert resized == write_packet(properties.format(36, 24), names)


def test_the_packet_of_a_jpeg_is_joined_with_its_extension() -> None:
    identifier = "0123456789ABCDEF" * 2
    note = "xmlns:xmpNote='http://ns.adobe.com/xmp/note/'"
    extension = write_packet("a='1'/>", "")
    header = f"http://ns.adobe.com/xmp/extension/\0{identifier}".encode() + struct.pack(">I", len(extension))
    parts = [header + struct.pack(">I", at) + extension[at : at + 50] for at in range(0, len(extension), 50)]
    packet = write_packet(f"xmpNote:HasExtendedXMP='{identifier}' b='2'/>", note)
    jpeg = add_app1(PHOTO, *parts, f"{XMP}\0".encode() + packet)

    joined = dict(webp.read_chunks(encode(jpeg)))["XMP "]
    incomplete = dict(webp.read_chunks(encode(add_app1(PHOTO, *parts[1:], f"{XMP}\0".encode() + packet))))["XMP "]

    expected = write_packet(" b='2'/><rdf:Description  a='1'/>", note)
    assert joined == expected
    assert incomplete == packet


@pytest.mark.parametrize("garbage", [b"\4\6\0\0", b"\xff\0\xff\xff", b"\0" * 1000], ids=["bytes", "markers", "zeros"])
def test_bytes_between_the_segments_of_a_jpeg_are_skipped(garbage: bytes) -> None:
    packet = write_packet("tiff:Orientation='1'/>")
    jpeg = add_app1(PHOTO, f"{XMP}\0".encode() + packet)

    out = encode(jpeg[:2] + b"\xff\xfe\0\2" + garbage + jpeg[2:])

    assert dict(webp.read_chunks(out))["XMP "] == packet


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_metadata_of_a_png_are_read_wherever_they_are(before: bytes) -> None:
    png = write_png(draw_gradient(8, 4))
    for number in range(1500):
        png = add_chunk(png, b"tEXt", b"Comment\0%d" % number, before=before)
    png = add_chunk(png, b"eXIf", write_exif(6), before=before)
    packet = write_packet("tiff:Orientation='6'/>")
    png = add_chunk(png, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet), before=before)

    out = dict(webp.read_chunks(encode(png)))

    assert probe(png).orientation == 6
    assert out["EXIF"] == write_exif(1)
    assert out["XMP "] == write_packet("tiff:Orientation='1'/>")


def write_directories(order: str, width: int, height: int, orientation: int, space: int, following: int) -> bytes:
    """Return EXIF data with size and orientation in the first directory, and size and color space in the Exif directory."""

    def entry(tag: int, kind: str, value: int) -> bytes:
        number = struct.pack(order + kind, value).ljust(4, b"\0")
        return struct.pack(order + "HHI", tag, {"H": 3, "I": 4}[kind], 1) + number

    first = [
        entry(0x100, "I", width),
        entry(0x101, "H", height),
        entry(0x112, "H", orientation),
        entry(0x8769, "I", 62),
    ]
    second = [entry(0xA001, "H", space), entry(0xA002, "I", width), entry(0xA003, "I", height)]
    out = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    out += struct.pack(order + "H", 4) + b"".join(first) + struct.pack(order + "I", following)
    assert len(out) == 62
    return out + struct.pack(order + "H", 3) + b"".join(second) + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_directory_of_the_exif_data_describes_the_encoded_image(order: str) -> None:
    profile = write_profile((0.1431, 0.0606, 0.7141), (0.4361, 0.2225, 0.0139))
    exif = write_directories(order, 40, 20, 6, 0xFFFF, 62)
    png = add_profile(write_png(draw_gradient(40, 20), exif=exif), profile)

    kept = dict(webp.read_chunks(encode(png, height=20)))["EXIF"]
    converted = dict(webp.read_chunks(encode(png, keep=("exif",))))["EXIF"]

    assert kept == write_directories(order, 10, 20, 1, 0xFFFF, 0)
    assert converted == write_directories(order, 20, 40, 1, 1, 0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_directly_behind_the_exif_directory_are_kept(order: str) -> None:
    """Pillow and others write no link to a next directory there."""
    link = struct.pack(order + "HHHIII", 1, 0x8769, 4, 1, 26, 0)
    exposure = struct.pack(order + "HHHIIII", 1, 0x829A, 5, 1, 40, 2**32 - 1, 125)
    exif = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + link + exposure

    assert dict(webp.read_chunks(encode(write_png(draw_gradient(8, 4), exif=exif))))["EXIF"] == exif


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("count", [0, 1, 2**30, 2**32 - 1])
@pytest.mark.parametrize("value", [8, 2**31 - 1, 2**32 - 4, 2**32 - 1])
def test_counts_and_offsets_of_exif_may_have_any_value(order: str, count: int, value: int) -> None:
    entries = [
        struct.pack(order + "HHII", tag, kind, count, value)
        for tag, kind in ((0x100, 3), (0x101, 4), (0x10E, 2), (0x11A, 5), (0x8769, 4), (0x9286, 7))
    ]
    exif = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(entries))
    exif += b"".join(entries) + struct.pack(order + "I", value)
    png = write_png(draw_gradient(8, 4), exif=exif)

    for source in (png, add_app1(PHOTO, b"Exif\0\0" + exif)):
        assert probe(source).orientation == 1
        kept = dict(webp.read_chunks(encode(source, width=4)))["EXIF"]
        # Unchanged, except for sizes and the link to a thumbnail.
        assert (len(kept), kept[34:82], kept[82:]) == (len(exif), exif[34:82], bytes(4))
