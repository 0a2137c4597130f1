"""Property-based tests with generated images, arrays and options.

`--hypothesis-profile=long` runs a hundred times as many examples.
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
from pictures import CMYK, PHOTO, draw_gradient, orient_jpeg, write_gif, write_gray_png, write_png
from webpencode import LimitExceededError, WebPEncodeError, decode, encode, probe

MAX_PIXELS = 1_000_000
FRAMES = [[[(x + at) % 3 for x in range(24)] for _ in range(16)] for at in range(3)]
FILES = {
    "jpeg": CMYK,
    "rotated jpeg": orient_jpeg(CMYK, 6),
    "png": write_png(draw_gradient(24, 16)),
    "transparent png": write_png(draw_gradient(24, 16, alpha=True), alpha=True, xmp=b"<x:xmpmeta/>"),
    "deep png": write_gray_png(24, 16, bits=16),
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
    "filter": st.sampled_from(["lanczos3", "lanczos2", "mitchell", "cubic", "linear", "area", "nearest"]),
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


def remove_invalid_combinations(options: dict[str, Any]) -> dict[str, Any]:
    """Remove target_size if the encoding is lossless."""
    is_lossless = options.get("lossless") or "near_lossless" in options
    return {name: value for name, value in options.items() if name != "target_size" or not is_lossless}


OPTIONS = st.fixed_dictionaries({}, optional={**SHAPES, **CODECS}).map(remove_invalid_combinations)


def call_or_error(
    allowed: type[Exception] | tuple[type[Exception], ...], call: Callable[..., Any], *arguments: Any, **options: Any
) -> Any:
    """Return the result of a call, or its exception if it has an allowed type."""
    try:
        return call(*arguments, **options)
    except allowed as error:
        return error


class Array:
    """An array with an arbitrary interface."""

    def __init__(self, **interface: Any) -> None:
        self.__array_interface__ = interface


def find_box(width: int, height: int, options: dict[str, Any]) -> tuple[int, int]:
    """Return the box for an image; a side without an option is unlimited."""
    return options.get("width", 10**7), options.get("height", 10**7)


@given(st.sampled_from(sorted(FILES)), OPTIONS)
def test_every_image_with_any_options_gets_the_requested_size(name: str, options: dict[str, Any]) -> None:
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
        expected = box if upscale else (min(box[0], sides[0]), min(box[1], sides[1]))
        assert (after.width, after.height) == expected
    else:
        # If the aspect ratio is kept, one side is rounded.
        assert after.width <= box[0]
        assert after.height <= box[1]
        scale = min(box[0] / sides[0], box[1] / sides[1])
        scale = scale if upscale else min(scale, 1)
        for actual, side in ((after.width, sides[0]), (after.height, sides[1])):
            assert abs(actual - side * scale) <= 1
    if "background" in options and fit != "contain" and before.pages == 1:
        # Frames of an animation may have transparent pixels where the previous frame did not change.
        assert not after.has_alpha


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Array, list[list[tuple[int, ...]]]]:
    """Return an array with an arbitrary memory layout, and its samples as 8 bits."""
    height, width, bands = draw(st.integers(1, 12)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    order, size = draw(st.sampled_from([("|", 1), ("<", 2), (">", 2)]))
    # The stride of each axis is at least the extent of the axes before it.
    steps, extent = [0, 0, 0], size
    for axis in draw(st.permutations(range(3))):
        steps[axis] = extent + draw(st.integers(0, 5))
        extent = steps[axis] * (height, width, bands)[axis]
    offset = draw(st.integers(0, 9))
    memory = draw(st.binary(min_size=offset + extent, max_size=offset + extent))
    rows = []
    for y in range(height):
        row = []
        for x in range(width):
            at = [offset + y * steps[0] + x * steps[1] + band * steps[2] for band in range(bands)]
            if size == 1:
                row.append(tuple(memory[position] for position in at))
            else:
                values = (struct.unpack_from(f"{order}H", memory, position)[0] for position in at)
                row.append(tuple((value * 255 + 32767) // 65535 for value in values))
        rows.append(row)
    is_flat = bands == 1 and draw(st.booleans())
    shape, strides = (height, width, bands)[: 2 if is_flat else 3], tuple(steps)[: 2 if is_flat else 3]
    array = Array(version=3, typestr=f"{order}u{size}", shape=shape, strides=strides, data=memory, offset=offset)
    return array, rows


@given(arrays())
def test_a_lossless_file_has_all_samples_of_an_array_with_any_layout(
    example: tuple[Array, list[list[tuple[int, ...]]]],
) -> None:
    array, rows = example

    decoded = webp.decode_lossless(encode(array, lossless=True, effort=1))

    assert [len(row) for row in decoded] == [len(row) for row in rows]
    for written, row in zip(decoded, rows, strict=True):
        for pixel, samples in zip(written, row, strict=True):
            alpha = samples[-1] if len(samples) in (2, 4) else 255
            color = samples[:3] if len(samples) >= 3 else samples[:1] * 3
            assert pixel[3] == alpha
            # The color of invisible pixels may change.
            assert alpha == 0 or pixel[:3] == color


@given(arrays(), OPTIONS)
def test_the_result_does_not_depend_on_the_memory_layout(
    example: tuple[Array, list[list[tuple[int, ...]]]], options: dict[str, Any]
) -> None:
    array, rows = example
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
EXTREME = st.one_of(st.integers(-3, 5), st.sampled_from([0, 1, 16383, 16384, 1 << 28, 1 << 31, 1 << 62, -(1 << 63)]))
INTERFACES = st.fixed_dictionaries(
    {},
    optional={
        "version": st.just(3),
        "shape": st.one_of(st.lists(EXTREME, max_size=5).map(tuple), ANYTHING),
        "typestr": st.one_of(st.sampled_from(["|u1", "<u2", ">u2", "|i1", "<f4", "", "u", "|u9", "é"]), ANYTHING),
        "strides": st.one_of(st.none(), st.lists(EXTREME, max_size=5).map(tuple), ANYTHING),
        # Never an address: an invalid one is the caller's responsibility.
        "data": st.one_of(st.binary(max_size=300), st.none(), st.text(max_size=5), st.tuples(st.integers())),
        "offset": st.one_of(EXTREME, st.text(max_size=5)),
    },
)


@given(INTERFACES, st.booleans())
def test_an_array_with_an_arbitrary_interface_is_encoded_or_rejected(interface: dict[str, Any], resize: bool) -> None:
    options: dict[str, Any] = {"width": 5} if resize else {}

    result = call_or_error(
        (TypeError, ValueError), encode, Array(**interface), max_pixels=MAX_PIXELS, effort=0, **options
    )

    assert type(result) in (bytes, TypeError, ValueError, LimitExceededError)
    assert str(result)


@given(st.dictionaries(st.sampled_from(sorted({**SHAPES, **CODECS, "max_pixels": 0})), ANYTHING, max_size=3))
def test_an_option_of_any_type_is_accepted_or_named_in_the_error(options: dict[str, Any]) -> None:
    result = call_or_error((TypeError, ValueError), encode, FILES["png"], **options)

    if isinstance(result, LimitExceededError):
        assert "max_pixels" in str(result)
    elif isinstance(result, Exception):
        assert any(str(result).startswith((f"{name} must ", f"{name} cannot be combined ")) for name in options)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a truncated, modified or mixed file."""
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
def test_a_damaged_file_is_read_or_rejected_consistently(data: bytes, options: dict[str, Any]) -> None:
    result = call_or_error(WebPEncodeError, probe, data)
    assume(isinstance(result, WebPEncodeError) or result.width * result.height * result.pages <= MAX_PIXELS)

    encoded = call_or_error(WebPEncodeError, encode, data, max_pixels=MAX_PIXELS, effort=0, **options)
    decoded = call_or_error(WebPEncodeError, decode, data, max_pixels=MAX_PIXELS, **options)

    if isinstance(encoded, bytes):
        assert isinstance(result, tuple)
        assert probe(encoded).format == "webp"
    # decode() reads only the first frame, which may be valid even if a later one is not.
    if isinstance(encoded, bytes) and result.pages == 1:
        assert isinstance(decoded, type(decode(FILES["png"])))
        assert decoded.shape[:2] == (probe(encoded).height, probe(encoded).width)
