"""Numbers in files with any value: sizes, offsets, counts, delays and loops are used, limited or refused as documented.

`--hypothesis-profile=long` runs a hundred times as many examples.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")

import webp
from hypothesis import given
from hypothesis import strategies as st
from pictures import (
    PHOTO,
    add_app1,
    cut_jpeg,
    draw_gradient,
    write_animated_webp,
    write_frames,
    write_png,
    write_png_header,
)
from webpencode import LimitExceededError, UnreadableImageError, WebPEncodeError, decode, encode, probe

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
MAX_PIXELS = 40_000
STILLS = [encode(write_png([[(*color, 255)] * 4] * 4), lossless=True) for color in (RED, GREEN, BLUE)]


def numbers(bits: int) -> st.SearchStrategy[int]:
    """Return any unsigned numbers of this size, mostly small ones and those next to a power of two."""
    powers = [2**power + offset for power in range(1, bits + 1) for offset in (-2, -1, 0, 1)]
    return st.one_of(
        st.integers(0, 20),
        st.sampled_from([number for number in powers if 0 <= number < 2**bits]),
        st.integers(0, 2**bits - 1),
    )


def shorten(delay: int) -> int:
    """Return the delay that browsers use, in milliseconds."""
    return 100 if delay <= 10 else delay


def read_animation(out: bytes) -> tuple[int, list[int]]:
    """Return the loop count and the delays of an animation."""
    chunks = webp.read_chunks(out)
    delays = [int.from_bytes(body[12:15], "little") for name, body in chunks if name == "ANMF"]
    return int(struct.unpack("<IH", dict(chunks)["ANIM"])[1]), delays


def call_all(source: bytes) -> list[Any]:
    """Return what encode(), decode() and probe() return, or the errors that they document for images."""
    results: list[Any] = []
    calls: list[tuple[Callable[..., Any], dict[str, int]]] = [
        (encode, {"max_pixels": MAX_PIXELS, "effort": 0}),
        (decode, {"max_pixels": MAX_PIXELS}),
        (probe, {}),
    ]
    for call, options in calls:
        try:
            results.append(call(source, **options))
        except WebPEncodeError as error:
            results.append(error)
    assert all(str(result) for result in results if isinstance(result, WebPEncodeError))
    return results


@given(st.one_of(st.none(), numbers(16)), st.lists(numbers(16), min_size=2, max_size=6))
def test_a_gif_keeps_its_loops_and_delays(loops: int | None, delays: list[int]) -> None:
    gif = write_frames((4, 4), [(at % 3, 0, 0, 4, 4, 0) for at in range(len(delays))], [RED, GREEN, BLUE], loops=loops)
    parts = gif.split(b"\x21\xf9\x04")
    rest = [part[:1] + struct.pack("<H", delay) + part[3:] for part, delay in zip(parts[1:], delays, strict=True)]

    out = encode(b"\x21\xf9\x04".join([parts[0], *rest]), lossless=True, effort=0)

    times = 1 if loops is None else 0 if loops == 0 else min(loops + 1, 65_535)
    assert read_animation(out) == (times, [shorten(10 * delay) for delay in delays])


@given(numbers(16), st.lists(numbers(24), min_size=2, max_size=6))
def test_a_webp_keeps_its_loops_and_delays(loops: int, delays: list[int]) -> None:
    animation = write_animated_webp((4, 4), [(STILLS[at % 3], 0, 0, delay) for at, delay in enumerate(delays)])
    at = animation.index(b"ANIM") + 12

    out = encode(animation[:at] + struct.pack("<H", loops) + animation[at + 2 :], lossless=True, effort=0)

    assert read_animation(out) == (loops, [shorten(delay) for delay in delays])


@given(numbers(15), numbers(15), st.lists(st.tuples(numbers(24), numbers(24)), min_size=1, max_size=3))
def test_a_webp_frame_is_inside_the_canvas_or_an_error(width: int, height: int, offsets: list[tuple[int, int]]) -> None:
    width, height = max(4, width), max(4, height)
    frames = [(STILLS[at % 3], left * 2, top * 2, 50) for at, (left, top) in enumerate(offsets)]

    encoded, decoded, info = call_all(write_animated_webp((width, height), frames))

    if max(width, height) > 16_383:
        assert [type(result) for result in (encoded, decoded, info)] == [LimitExceededError] * 3
    elif width * height > MAX_PIXELS:
        assert [type(result) for result in (encoded, decoded)] == [LimitExceededError] * 2
    elif all(left * 2 + 4 <= width and top * 2 + 4 <= height for left, top in offsets):
        assert (info.width, info.height, info.pages) == (width, height, len(frames))
        assert decoded.shape[:2] == (height, width)
        assert isinstance(encoded, bytes) or width * height * len(frames) > MAX_PIXELS
    else:
        assert [type(result) for result in (encoded, decoded, info)] == [UnreadableImageError] * 3


@given(numbers(16), numbers(16), st.lists(st.tuples(*[numbers(16)] * 4), min_size=1, max_size=3))
def test_a_gif_with_any_sizes_and_offsets_is_read_or_refused(
    width: int, height: int, areas: list[tuple[int, int, int, int]]
) -> None:
    # Frames with more pixels than these are damaged.
    frames = [(at % 3, *area, at % 4) for at, area in enumerate(areas)]

    for count in (None, 16) if all(area[2] * area[3] < 4096 for area in areas) else (16,):
        gif = write_frames((width, height), frames, [RED, GREEN, BLUE], count=count)
        encoded, decoded, info = call_all(gif)

        if isinstance(decoded, WebPEncodeError):
            assert isinstance(encoded, WebPEncodeError)
        else:
            # The first frame, or all of them, may enlarge the canvas.
            assert decoded.shape[:2] == (info.height, info.width)
        if isinstance(encoded, bytes):
            shown = probe(encoded)
            assert (shown.width, shown.height) == (info.width, info.height)


@given(numbers(32), numbers(32))
def test_a_png_with_any_sides_is_read_or_refused(width: int, height: int) -> None:
    # With 100 bytes of pixels.
    encoded, decoded, _ = call_all(write_png_header(width, height))

    is_valid = 0 < width < 2**31 and 0 < height < 2**31
    if is_valid and (width * height > MAX_PIXELS or max(width, height) > 10_000_000):
        assert [type(encoded), type(decoded)] == [LimitExceededError] * 2
    elif is_valid and height * (1 + 3 * width) <= 100:
        assert probe(encoded)[1:3] == (width, height) == decoded.shape[1::-1]
    else:
        assert isinstance(decoded, UnreadableImageError)
        assert isinstance(
            encoded, LimitExceededError if is_valid and max(width, height) > 16_383 else UnreadableImageError
        )


@given(numbers(16), numbers(16))
def test_a_jpeg_with_any_sides_is_read_or_refused(width: int, height: int) -> None:
    # The file has samples for 360 x 240 pixels, in blocks of 16 x 16.
    has_all = -(-width // 16) * -(-height // 16) <= 23 * 15

    encoded, decoded, info = call_all(cut_jpeg(PHOTO, width, height))

    if max(width, height) > 65_500 or width * height > MAX_PIXELS:
        assert [type(encoded), type(decoded)] == [LimitExceededError] * 2
    elif width == 0 or height == 0:
        assert [type(result) for result in (encoded, decoded, info)] == [UnreadableImageError] * 3
    elif has_all:
        assert probe(encoded)[1:3] == (width, height) == decoded.shape[1::-1]
    else:
        assert isinstance(decoded, UnreadableImageError)
        assert isinstance(encoded, LimitExceededError if max(width, height) > 16_383 else UnreadableImageError)


@given(
    st.sampled_from("<>"),
    st.lists(st.tuples(numbers(16), numbers(16), numbers(32), numbers(32)), max_size=6),
    numbers(16),
    numbers(32),
    numbers(32),
)
def test_exif_data_with_any_numbers_are_kept(
    order: str, entries: list[tuple[int, int, int, int]], count: int, first: int, following: int
) -> None:
    exif = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, min(first, 8) or first, count)
    exif += b"".join(struct.pack(order + "HHII", *entry) for entry in entries) + struct.pack(order + "I", following)
    png = write_png(draw_gradient(8, 4), exif=exif)

    for source in (png, add_app1(PHOTO, b"Exif\0\0" + exif)):
        assert 1 <= probe(source).orientation <= 8
        out = encode(source, width=4, effort=0)
        assert len(dict(webp.read_chunks(out))["EXIF"]) == len(exif)
        assert probe(out).orientation == 1
