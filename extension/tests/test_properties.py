"""What is true of every picture, array and option, tried with whatever hypothesis comes up with.

`--hypothesis-profile=long` tries a hundred times as many.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")

import webp
from hypothesis import assume, given
from hypothesis import strategies as st
from pictures import CMYK, PHOTO, draw_gradient, orient_jpeg, write_gif, write_grey_png, write_png
from webpencode import LimitExceededError, WebPEncodeError, decode, encode, probe

MAX_PIXELS = 1_000_000
FRAMES = [[[(x + at) % 3 for x in range(24)] for _ in range(16)] for at in range(3)]
FILES = {
    "jpeg": CMYK,
    "turned jpeg": orient_jpeg(CMYK, 6),
    "png": write_png(draw_gradient(24, 16)),
    "clear png": write_png(draw_gradient(24, 16, alpha=True), alpha=True, xmp=b"<x:xmpmeta/>"),
    "deep png": write_grey_png(24, 16, bits=16),
    "gif": write_gif(FRAMES, [(0, 0, 0), (255, 0, 0), (0, 0, 255)]),
    "webp": encode(PHOTO, width=24),
    "lossless webp": encode(write_png(draw_gradient(24, 16)), lossless=True),
    "animated webp": encode(write_gif(FRAMES, [(0, 0, 0), (255, 0, 0), (0, 0, 255)])),
}
SIDES = st.integers(1, 60)
SHAPES: dict[str, st.SearchStrategy[Any]] = {
    "width": SIDES,
    "height": SIDES,
    "fit": st.sampled_from(["inside", "cover", "contain", "fill"]),
    "upscale": st.booleans(),
    "autorotate": st.booleans(),
    "background": st.tuples(*[st.integers(0, 255)] * 3),
    "threads": st.integers(1, 4),
}
CODECS: dict[str, st.SearchStrategy[Any]] = {
    "quality": st.integers(0, 100),
    "lossless": st.booleans(),
    "near_lossless": st.integers(0, 100),
    "effort": st.integers(0, 6),
    "alpha_quality": st.integers(0, 100),
    "preset": st.sampled_from(["default", "picture", "photo", "drawing", "icon", "text"]),
    "target_size": st.integers(1, 5000),
    "sharp_yuv": st.booleans(),
    "animated": st.booleans(),
    "keep": st.lists(st.sampled_from(["icc", "exif", "xmp"])),
    "loop": st.integers(0, 65535),
}


def leave_out_what_makes_no_sense(options: dict[str, Any]) -> dict[str, Any]:
    """No size can be asked of a lossless file."""
    is_lossless = options.get("lossless") or "near_lossless" in options
    return {name: value for name, value in options.items() if name != "target_size" or not is_lossless}


OPTIONS = st.fixed_dictionaries({}, optional={**SHAPES, **CODECS}).map(leave_out_what_makes_no_sense)


def answer(
    allowed: type[Exception] | tuple[type[Exception], ...], call: Callable[..., Any], *arguments: Any, **options: Any
) -> Any:
    """Return what a call gives, or an error of a kind that is allowed; any other goes on."""
    try:
        return call(*arguments, **options)
    except allowed as error:
        return error


class Array:
    """An array that is described by anything."""

    def __init__(self, **interface: Any) -> None:
        self.__array_interface__ = interface


def find_box(width: int, height: int, options: dict[str, Any]) -> tuple[int, int]:
    """Return the box of an image: a side that is not asked for is as long as it gets."""
    return options.get("width", 10**7), options.get("height", 10**7)


@given(st.sampled_from(sorted(FILES)), OPTIONS)
def test_every_image_with_every_option_becomes_a_picture_of_the_size_asked_for(
    name: str, options: dict[str, Any]
) -> None:
    before = probe(FILES[name])
    is_swapped = before.orientation >= 5 and options.get("autorotate", True)
    sides = (before.height, before.width) if is_swapped else (before.width, before.height)

    after = probe(encode(FILES[name], **options))

    assert after.format == "webp"
    box = find_box(*sides, options)
    fit, upscale = options.get("fit", "inside"), options.get("upscale", False)
    has_both = "width" in options and "height" in options
    if not has_both and "width" not in options and "height" not in options:
        assert (after.width, after.height) == sides
    elif has_both and fit == "contain":
        assert (after.width, after.height) == box
    elif has_both and fit in ("cover", "fill"):
        wanted = box if upscale else (min(box[0], sides[0]), min(box[1], sides[1]))
        assert (after.width, after.height) == wanted
    else:
        # Of two sides that keep their ratio, one is rounded.
        assert after.width <= box[0]
        assert after.height <= box[1]
        scale = min(box[0] / sides[0], box[1] / sides[1])
        scale = scale if upscale else min(scale, 1)
        for found, side in ((after.width, sides[0]), (after.height, sides[1])):
            assert abs(found - side * scale) <= 1
    if "background" in options and fit != "contain" and before.pages == 1:
        # Of an animation, what did not change since the last frame may be left out of the next one.
        assert not after.has_alpha


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Array, list[list[tuple[int, ...]]]]:
    """Make an array that lies in memory in whatever way, and say what its samples are, in eight bits."""
    height, width, bands = draw(st.integers(1, 12)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    order, size = draw(st.sampled_from([("|", 1), ("<", 2), (">", 2)]))
    # Each axis in turn takes the room of those before it, and perhaps some more.
    steps, room = [0, 0, 0], size
    for axis in draw(st.permutations(range(3))):
        steps[axis] = room + draw(st.integers(0, 5))
        room = steps[axis] * (height, width, bands)[axis]
    offset = draw(st.integers(0, 9))
    memory = draw(st.binary(min_size=offset + room, max_size=offset + room))
    rows = []
    for y in range(height):
        row = []
        for x in range(width):
            at = [offset + y * steps[0] + x * steps[1] + band * steps[2] for band in range(bands)]
            if size == 1:
                row.append(tuple(memory[place] for place in at))
            else:
                values = (struct.unpack_from(f"{order}H", memory, place)[0] for place in at)
                row.append(tuple((value * 255 + 32767) // 65535 for value in values))
        rows.append(row)
    is_flat = bands == 1 and draw(st.booleans())
    shape, strides = (height, width, bands)[: 2 if is_flat else 3], tuple(steps)[: 2 if is_flat else 3]
    array = Array(version=3, typestr=f"{order}u{size}", shape=shape, strides=strides, data=memory, offset=offset)
    return array, rows


@given(arrays())
def test_a_lossless_file_has_every_sample_of_an_array_wherever_it_lies(
    made: tuple[Array, list[list[tuple[int, ...]]]],
) -> None:
    array, rows = made

    found = webp.decode_lossless(encode(array, lossless=True, effort=1))

    assert [len(row) for row in found] == [len(row) for row in rows]
    for written, row in zip(found, rows, strict=True):
        for pixel, samples in zip(written, row, strict=True):
            alpha = samples[-1] if len(samples) in (2, 4) else 255
            colour = samples[:3] if len(samples) >= 3 else samples[:1] * 3
            assert pixel[3] == alpha
            # The colour of what nobody sees may go.
            assert alpha == 0 or pixel[:3] == colour


@given(arrays(), OPTIONS)
def test_what_an_array_becomes_does_not_depend_on_how_it_lies(
    made: tuple[Array, list[list[tuple[int, ...]]]], options: dict[str, Any]
) -> None:
    array, rows = made
    shape = (len(rows), len(rows[0]), len(rows[0][0]))
    dense = memoryview(bytes(sample for row in rows for pixel in row for sample in pixel)).cast("B", shape)

    assert encode(array, **options) == encode(dense, **options)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=300),
    st.lists(st.integers(-2, 300), max_size=4),
    st.tuples(st.integers(), st.integers()),
)
WILD = st.one_of(st.integers(-3, 5), st.sampled_from([0, 1, 16383, 16384, 1 << 28, 1 << 31, 1 << 62, -(1 << 63)]))
INTERFACES = st.fixed_dictionaries(
    {},
    optional={
        "version": st.just(3),
        "shape": st.one_of(st.lists(WILD, max_size=5).map(tuple), ANYTHING),
        "typestr": st.one_of(st.sampled_from(["|u1", "<u2", ">u2", "|i1", "<f4", "", "u", "|u9", "é"]), ANYTHING),
        "strides": st.one_of(st.none(), st.lists(WILD, max_size=5).map(tuple), ANYTHING),
        # Never an address, which whoever gives one answers for.
        "data": st.one_of(st.binary(max_size=300), st.none(), st.text(max_size=5), st.tuples(st.integers())),
        "offset": st.one_of(WILD, st.text(max_size=5)),
    },
)


@given(INTERFACES, st.booleans())
def test_an_array_described_by_anything_is_encoded_or_refused(interface: dict[str, Any], is_shaped: bool) -> None:
    options: dict[str, Any] = {"width": 5} if is_shaped else {}

    found = answer((TypeError, ValueError), encode, Array(**interface), max_pixels=MAX_PIXELS, effort=0, **options)

    assert type(found) in (bytes, TypeError, ValueError, LimitExceededError)
    assert str(found)


@given(st.dictionaries(st.sampled_from(sorted({**SHAPES, **CODECS, "max_pixels": 0})), ANYTHING, max_size=3))
def test_an_option_of_any_kind_is_obeyed_or_refused_by_name(options: dict[str, Any]) -> None:
    found = answer((TypeError, ValueError), encode, FILES["png"], **options)

    if isinstance(found, LimitExceededError):
        assert "max_pixels" in str(found)
    elif isinstance(found, Exception):
        assert any(str(found).startswith((f"{name} must ", f"{name} has no meaning ")) for name in options)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Cut, flip and mix the files."""
    data = bytearray(FILES[draw(st.sampled_from(sorted(FILES)))])
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        change = draw(st.integers(0, 4))
        if change == 0 and data:
            data[at] ^= draw(st.integers(1, 255))
        elif change == 1:
            del data[at:]
        elif change == 2:
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif change == 3:
            del data[at : at + draw(st.integers(1, 40))]
        else:
            data[at:] = FILES[draw(st.sampled_from(sorted(FILES)))][at:]
    return bytes(data)


@given(damaged(), st.fixed_dictionaries({}, optional=SHAPES))
def test_a_damaged_file_is_read_or_refused_and_all_agree_about_it(data: bytes, options: dict[str, Any]) -> None:
    found = answer(WebPEncodeError, probe, data)
    assume(isinstance(found, WebPEncodeError) or found.width * found.height * found.pages <= MAX_PIXELS)

    encoded = answer(WebPEncodeError, encode, data, max_pixels=MAX_PIXELS, effort=0, **options)
    decoded = answer(WebPEncodeError, decode, data, max_pixels=MAX_PIXELS, **options)

    if isinstance(encoded, bytes):
        assert isinstance(found, tuple)
        assert probe(encoded).format == "webp"
    # decode() reads the first frame alone, which may be good where a later one is not.
    if isinstance(encoded, bytes) and found.pages == 1:
        assert isinstance(decoded, type(decode(FILES["png"])))
        assert decoded.shape[:2] == (probe(encoded).height, probe(encoded).width)
