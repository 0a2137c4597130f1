"""Frames with delays, as a viewer shows them, and the comparison of two such sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""The pixels of a frame: height, width, RGBA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame that is shown for `delay` milliseconds."""

    delay: int
    pixels: Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """How two sequences differ: sizes, delays of different frames, the largest and the mean visible difference."""

    sizes: tuple[tuple[int, int], tuple[int, int]]
    delays: tuple[tuple[int, ...], tuple[int, ...]]
    largest: float
    mean: float
    transparent: tuple[bool, bool]


def merge_frames(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield frames with different pixels: those that show the same as the one before are added to it."""
    last: Frame | None = None
    for frame in frames:
        if last is None:
            last = frame
        elif show_same(last.pixels, frame.pixels):
            last = Frame(delay=last.delay + frame.delay, pixels=last.pixels)
        else:
            yield last
            last = frame
    if last is not None:
        yield last


def show_same(first: Pixels, second: Pixels) -> bool:
    """Return whether two frames have the same pixels, except for the colors of fully transparent ones."""
    if first.shape != second.shape:
        return False
    return bool(np.array_equal(first, second) or not measure_difference(first, second).any())


def measure_difference(first: Pixels, second: Pixels) -> npt.NDArray[Any]:
    """Return the visible difference of each pixel: that of alpha, or of the colors multiplied by the larger alpha."""
    difference = np.abs(first.astype(np.int16) - second)
    alpha = np.maximum(first[..., 3], second[..., 3]).astype(np.float32) / 255
    return np.maximum(difference[..., 3], difference[..., :3].max(axis=-1) * alpha)


def compare_frames(first: Iterable[Frame], second: Iterable[Frame]) -> Deviation:
    """Compare two sequences frame by frame; no more than two frames of each are in memory."""
    sizes, transparent = [(0, 0), (0, 0)], [False, False]
    delays: tuple[list[int], list[int]] = ([], [])
    largest = mean = 0.0
    for pair in zip_longest(merge_frames(first), merge_frames(second)):
        for side, frame in enumerate(pair):
            if frame is not None:
                delays[side].append(frame.delay)
                sizes[side] = (frame.pixels.shape[1], frame.pixels.shape[0])
                transparent[side] = transparent[side] or bool(frame.pixels[..., 3].min() < 255)
        if None not in pair and pair[0].pixels.shape == pair[1].pixels.shape:
            difference = measure_difference(pair[0].pixels, pair[1].pixels)
            largest = max(largest, float(difference.max()))
            mean = max(mean, float(difference.mean()))
    return Deviation(
        sizes=(sizes[0], sizes[1]),
        delays=(tuple(delays[0]), tuple(delays[1])),
        largest=largest,
        mean=mean,
        transparent=(transparent[0], transparent[1]),
    )
