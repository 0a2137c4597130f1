"""The option `filter`: each one is compared with its definition, computed separately for rows and columns."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import pytest
import webp
from pictures import PHOTO, PHOTO_SIZE, draw_noise, write_gif, write_png
from webpencode import decode, encode

Weights = Sequence[Sequence[Any]]

NOISE = draw_noise(36, 24)
SIZES = [(15, 10), (14, 9), (12, 8), (36, 7), (5, 24), (1, 1), (90, 50), (72, 10), (37, 23)]


def weigh_area(before: int, after: int) -> Weights:
    """Return for each pixel of the result which part of it each pixel covers."""

    def cover(at: int, pixel: int) -> Fraction:
        begin, end = max(at * before, pixel * after), min((at + 1) * before, (pixel + 1) * after)
        return Fraction(max(0, end - begin), before)

    return [[cover(at, pixel) for pixel in range(before)] for at in range(after)]


def weigh_nearest(before: int, after: int) -> Weights:
    return [[int(pixel == (2 * at + 1) * before // (2 * after)) for pixel in range(before)] for at in range(after)]


def lanczos(x: float, lobes: int) -> float:
    return 1 if x == 0 else lobes * math.sin(math.pi * x) * math.sin(math.pi * x / lobes) / (math.pi * x) ** 2


def cubic(x: float, b: float, c: float) -> float:
    """The cubic filters of Mitchell and Netravali (1988)."""
    if x < 1:
        return ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + 6 - 2 * b) / 6
    return ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6


KERNELS: dict[str, tuple[int, Callable[[float], float]]] = {
    "lanczos3": (3, lambda x: lanczos(x, 3)),
    "lanczos2": (2, lambda x: lanczos(x, 2)),
    "mitchell": (2, lambda x: cubic(x, 1 / 3, 1 / 3)),
    "cubic": (2, lambda x: cubic(x, 0, 1 / 2)),
    "linear": (1, lambda x: 1 - x),
}


def weigh_kernel(before: int, after: int, radius: int, kernel: Callable[[float], float]) -> Weights:
    """Return the weights of a kernel that is stretched to the pixels of the result; the edges are repeated."""
    if before == after:
        return weigh_nearest(before, after)
    scale = before / after
    weights = [[0.0] * before for _ in range(after)]
    for at, row in enumerate(weights):
        center = (at + 0.5) * scale - 0.5
        for pixel in range(math.floor(center - radius * scale), math.ceil(center + radius * scale) + 1):
            distance = abs(pixel - center) / scale
            if distance < radius:
                row[min(max(pixel, 0), before - 1)] += kernel(distance)
        row[:] = [weight / sum(row) for weight in row]
    return weights


def scale(
    rows: Sequence[Sequence[Sequence[int]]], horizontal: Weights, vertical: Weights, band: int
) -> list[list[Any]]:
    """Return one band of the resized image."""
    columns = [[sum(w * row[at][band] for at, w in enumerate(ws) if w) for ws in horizontal] for row in rows]
    return [
        [sum(w * columns[at][x] for at, w in enumerate(ws) if w) for x in range(len(horizontal))] for ws in vertical
    ]


def read(source: bytes, width: int, height: int, name: str) -> Any:
    options: Any = {"filter": name}
    return memoryview(decode(source, width=width, height=height, fit="fill", upscale=True, **options)).tolist()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("name", "weigh"), [("area", weigh_area), ("nearest", weigh_nearest)])
def test_area_is_the_exact_mean_and_nearest_the_pixel_at_the_center(
    name: str, weigh: Callable[[int, int], Weights], size: tuple[int, int]
) -> None:
    result = read(write_png(NOISE), *size, name)

    assert (len(result[0]), len(result)) == size
    for band in range(3):
        exact = scale(NOISE, weigh(36, size[0]), weigh(24, size[1]), band)
        assert [[pixel[band] for pixel in row] for row in result] == [
            [math.floor(v + Fraction(1, 2)) for v in row] for row in exact
        ]


@pytest.mark.parametrize("size", [(15, 10), (14, 9), (12, 8), (36, 10), (13, 24)], ids=str)
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_have_the_weights_of_their_definition(name: str, size: tuple[int, int]) -> None:
    result = read(write_png(NOISE), *size, name)

    for band in range(3):
        exact = scale(NOISE, weigh_kernel(36, size[0], *KERNELS[name]), weigh_kernel(24, size[1], *KERNELS[name]), band)
        for row, values in zip(result, exact, strict=True):
            # libvips computes with 8-bit samples between columns and rows.
            assert all(abs(pixel[band] - min(max(v, 0), 255)) < 2.5 for pixel, v in zip(row, values, strict=True))


@pytest.mark.parametrize("count", [65_793, 65_794, 300_000])
def test_the_mean_of_many_rows_is_exact(count: int) -> None:
    rows = [[(255, 129, 7)]] * count

    assert read(write_png(rows), 1, 1, "area") == [[[255, 129, 7]]]


def test_the_default_is_lanczos3() -> None:
    results = {name: encode(PHOTO, width=100, filter=name) for name in (*KERNELS, "area", "nearest")}  # type: ignore[arg-type]

    assert encode(PHOTO, width=100) == results["lanczos3"]
    assert len(set(results.values())) == 7


def test_the_mean_of_colors_does_not_contain_those_of_transparent_pixels() -> None:
    rows = [[(255, 0, 0, 0), (0, 100, 200, 255), (50, 100, 0, 255), (0, 0, 0, 255)]] * 2

    result = read(write_png(rows, alpha=True), 2, 1, "area")

    # Samples of images with alpha are rounded to the even number: the mean of 255 and 0 is 127.5.
    assert result == [[[0, 100, 200, 128], [25, 50, 0, 255]]]


def test_nearest_keeps_the_colors_of_transparent_pixels_and_does_not_shrink_on_load() -> None:
    rows = [[(x, y, 7, x % 3 * 100) for x in range(8)] for y in range(8)]

    assert read(write_png(rows, alpha=True), 4, 2, "nearest") == [
        [[x, y, 7, x % 3 * 100] for x in (1, 3, 5, 7)] for y in (2, 6)
    ]
    whole = memoryview(decode(PHOTO)).tolist()
    width, height = PHOTO_SIZE
    assert read(PHOTO, width // 4, height // 4, "nearest") == [row[2::4] for row in whole[2::4]]


def test_all_frames_of_an_animation_and_arrays_use_the_filter() -> None:
    frames = [[[(x + y) % 2 for x in range(8)] for y in range(8)], [[1] * 8] * 8]
    gif = write_gif(frames, [(0, 0, 0), (200, 100, 51)])

    animation = webp.compose_lossless(encode(gif, width=4, filter="area", lossless=True))

    assert [{pixel for row in frame for pixel in row} for frame in animation] == [
        {(100, 50, 26, 255)},
        {(200, 100, 51, 255)},
    ]
    grid = memoryview(bytes(frames[0][y][x] * 51 for y in range(8) for x in range(8))).cast("B", (8, 8))
    small = webp.decode_lossless(encode(grid, width=2, filter="area", lossless=True))
    assert {pixel for row in small for pixel in row} == {(26, 26, 26, 255)}
