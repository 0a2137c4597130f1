"""Sizes of resized images with sides from 1 to 9: every shape, orientation, format, fit and box.

`--hypothesis-profile=long` tests all of them; otherwise, a part that is spread evenly.
"""

from __future__ import annotations

from itertools import islice, product
from typing import Any

import pytest
from pictures import PHOTO, cut_jpeg, draw_gradient, orient_jpeg, write_exif, write_gif, write_png
from webpencode import decode, encode, probe

SIDES = range(1, 10)
FITS = ("inside", "cover", "contain", "fill")
BOXES: list[dict[str, int]] = [
    *({"width": width} for width in SIDES),
    *({"height": height} for height in SIDES),
    *({"width": width, "height": height} for width, height in product(SIDES, SIDES)),
]
SHAPES = list(product(SIDES, SIDES))


def find_size(width: int, height: int, fit: str, upscale: bool, box: dict[str, int]) -> tuple[int, int]:
    """Return the size that the documentation promises; a side of a result is rounded and at least 1."""
    ratios = [side / box[name] for side, name in ((width, "width"), (height, "height")) if name in box]
    if len(ratios) == 2 and fit == "contain":
        return box["width"], box["height"]
    if len(ratios) == 2 and fit == "fill":
        return (box["width"], box["height"]) if upscale else (min(width, box["width"]), min(height, box["height"]))
    is_cover = len(ratios) == 2 and fit == "cover"
    scale = min(ratios) if is_cover else max(ratios)
    scale = scale if upscale else max(scale, 1)
    size = max(1, round(width / scale)), max(1, round(height / scale))
    return (min(size[0], box["width"]), min(size[1], box["height"])) if is_cover else size


@pytest.fixture
def step(request: pytest.FixtureRequest) -> int:
    """Return 1 if everything is tested; otherwise a number that has no common factor with the numbers of cases."""
    is_long = request.config.getoption("--hypothesis-profile", default=None) == "long"
    return 1 if is_long else 13


def test_every_shape_in_every_box_has_the_documented_size(step: int) -> None:
    arrays = {
        (width, height): memoryview(bytes(3 * width * height)).cast("B", (height, width, 3)) for width, height in SHAPES
    }
    cases = product(SHAPES, BOXES, FITS, (False, True))

    for (width, height), box, fit, upscale in islice(cases, 0, None, step):
        info = probe(encode(arrays[width, height], fit=fit, upscale=upscale, lossless=True, effort=0, **box))
        assert (info.width, info.height) == find_size(width, height, fit, upscale, box), (
            width,
            height,
            box,
            fit,
            upscale,
        )


def write_images(width: int, height: int, orientation: int) -> list[bytes]:
    """Return an image of this size as stored, in every format that has an orientation."""
    png = write_png(draw_gradient(width, height, alpha=True), alpha=True, exif=write_exif(orientation))
    webp = encode(png, lossless=True, effort=0, autorotate=False)
    return [png, webp, cut_jpeg(orient_jpeg(PHOTO, orientation), width, height)]


def test_every_shape_orientation_format_and_fit_has_the_documented_size(step: int) -> None:
    """Each with another of the boxes."""
    cases = islice(product(SHAPES, range(1, 9)), 0, None, step)

    for number, ((width, height), orientation) in enumerate(cases):
        shown = (height, width) if orientation >= 5 else (width, height)
        gif = write_gif([[[x % 3 for x in range(shown[0])]] * shown[1]] * 2, [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
        for source, fit in product([*write_images(width, height, orientation), gif], FITS):
            box = BOXES[number % len(BOXES)]
            upscale = number % 2 == 0
            options: dict[str, Any] = {"fit": fit, "upscale": upscale, **box}
            size = find_size(*shown, fit, upscale, box)

            info = probe(encode(source, effort=0, **options))
            pixels = decode(source, **options)

            assert (info.width, info.height) == size, (source[:12], width, height, orientation, options)
            assert pixels.shape[1::-1] == size, (source[:12], width, height, orientation, options)
