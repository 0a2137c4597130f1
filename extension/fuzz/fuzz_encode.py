"""Call webpencode with many damaged files and invalid arrays; check the results, the time and the memory.

    nox -s fuzz                          100,000 inputs
    nox -s fuzz -- --count 1000 --seed 7

Each call must return a result or raise an error of the package. After a crash, the input is in the file `fuzz-input`; the
printed seed and number reproduce it. The session sets MALLOC_ARENA_MAX=1, so that memory that a thread keeps in an arena of
its own is not mistaken for a leak.
"""

from __future__ import annotations

import argparse
import mmap
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import webpencode

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from pictures import (
    CMYK,
    DEEP,
    PALETTE,
    PHOTO,
    PROGRESSIVE,
    draw_gradient,
    orient_jpeg,
    write_gif,
    write_gray_png,
    write_png,
)

LARGEST_SIZE = 200_000_000  # bytes of resident memory in total, as much as the largest input needs
LARGEST_GROWTH = 3_000_000  # bytes of resident memory when REPEATED inputs are repeated
REPEATED = 1000
SLOWEST = 10.0  # seconds for one input
MAX_PIXELS = 1_000_000
EDGE_VALUES = bytes([0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF])


def make_seeds() -> list[bytes]:
    """Return a small file of every supported kind."""
    frames = [[[(x + at) % 3 for x in range(24)] for _ in range(16)] for at in range(3)]
    gif = write_gif(frames, [(0, 0, 0), (255, 0, 0), (0, 0, 255)])
    transparent = write_png(draw_gradient(24, 16, alpha=True), alpha=True, xmp=b"<x:xmpmeta/>")
    small = webpencode.encode(PHOTO, width=24)
    return [
        small,
        webpencode.encode(transparent, lossless=True),
        webpencode.encode(gif),
        webpencode.encode(transparent),
        gif,
        transparent,
        write_png(draw_gradient(24, 16)),
        write_gray_png(24, 16, bits=8),
        write_gray_png(24, 16, bits=16),
        CMYK,
        orient_jpeg(CMYK, 6),
        PROGRESSIVE,
        PALETTE,
        DEEP,
    ]


def damage(data: bytes, rng: random.Random, seeds: list[bytes]) -> bytes:
    """Change a file in one to six places: flip, set, delete, repeat, truncate, or combine it with another one."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        if not changed:
            break
        at, length = rng.randrange(len(changed)), rng.choice((1, 2, 4, 16, 64))
        match rng.randrange(7):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at] = rng.choice(EDGE_VALUES)
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = changed[at : at + length]
            case 4:
                changed[at : at + length] = rng.randbytes(length)
            case 5:
                del changed[at:]
            case 6:
                other = rng.choice(seeds)
                changed[at:] = other[rng.randrange(len(other)) :]
    return bytes(changed)


def choose_options(rng: random.Random) -> dict[str, Any]:
    """Return random valid options."""
    options: dict[str, Any] = {"max_pixels": MAX_PIXELS, "effort": 0}
    choices: dict[str, Callable[[], Any]] = {
        "width": lambda: rng.choice((1, 7, 30, 100)),
        "height": lambda: rng.choice((1, 7, 30, 100)),
        "fit": lambda: rng.choice(("inside", "cover", "contain", "fill")),
        "filter": lambda: rng.choice(("lanczos3", "cubic", "area", "nearest")),
        "upscale": lambda: True,
        "lossless": lambda: True,
        "near_lossless": lambda: rng.randrange(101),
        "quality": lambda: rng.randrange(101),
        "keep": lambda: rng.choice(((), ("icc",), ("exif", "xmp"))),
        "background": lambda: (1, 2, 3),
        "autorotate": lambda: False,
        "animated": lambda: False,
        "sharp_yuv": lambda: True,
        "threads": lambda: 1,
    }
    for name in rng.sample(sorted(choices), rng.randrange(4)):
        options[name] = choices[name]()
    return options


class Array:
    """An array with an arbitrary interface."""

    def __init__(self, **interface: Any) -> None:
        self.__array_interface__ = interface


def make_array(rng: random.Random) -> Array:
    """Return a random array, which is usually invalid."""
    shape = tuple(rng.choice((0, 1, 2, 3, 4, 5, 17, 16383, 16384)) for _ in range(rng.choice((1, 2, 2, 3, 3, 4))))
    strides = tuple(rng.choice((-1, 0, 1, 2, 3, 7, 1 << 40)) for _ in shape) if rng.random() < 0.5 else None
    return Array(
        version=3,
        shape=shape,
        strides=strides,
        typestr=rng.choice(("|u1", "<u2", ">u2", "|i1", "<f4")),
        data=bytes(rng.choice((0, 1, 100, 70_000))),
        offset=rng.choice((0, 0, 0, 1, 99)),
    )


def count_resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def try_input(seed: int, number: int, seeds: list[bytes], input_path: Path) -> str:
    """Call a random function with a generated input; return the type of the result or of the exception."""
    rng = random.Random(f"{seed} {number}")
    source: Any = make_array(rng)
    if rng.random() < 0.9:
        source = damage(rng.choice(seeds), rng, seeds)
        input_path.write_bytes(source)
    read = rng.choice((webpencode.encode, webpencode.encode, webpencode.decode, webpencode.probe))
    options = choose_options(rng) if read is webpencode.encode else {"max_pixels": MAX_PIXELS}
    if read is webpencode.probe:
        options = {}
    started = time.monotonic()
    try:
        result = type(read(source, **options)).__name__
    except (webpencode.WebPEncodeError, TypeError, ValueError) as error:
        result = type(error).__name__
    seconds = time.monotonic() - started
    if seconds > SLOWEST:
        sys.exit(f"input {number} of seed {seed} took {seconds:.1f} s: the input is in {input_path}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    seeds, input_path = make_seeds(), Path("fuzz-input")
    results: dict[str, int] = {}
    began = time.monotonic()
    for number in range(arguments.count):
        result = try_input(arguments.seed, number, seeds, input_path)
        results[result] = results.get(result, 0) + 1
        done = number + 1
        if done % 10_000 == 0 or done == arguments.count:
            repeated = range(max(0, done - REPEATED), done)
            growth = []
            # Up to three times: fragmentation of the heap can cause growth at first, but a leak grows every time.
            while len(growth) < 3 and (not growth or growth[-1] > LARGEST_GROWTH):
                before = count_resident_bytes()
                for repeated_number in repeated:
                    try_input(arguments.seed, repeated_number, seeds, input_path)
                growth.append(count_resident_bytes() - before)
            size, changes = count_resident_bytes(), ", ".join(f"{change / 1e6:+.1f} MB" for change in growth)
            print(
                f"{done} inputs in {time.monotonic() - began:.0f} s, {size / 1e6:.0f} MB, {changes} when repeating {REPEATED}"
            )
            print(f"  {results}", flush=True)
            if size > LARGEST_SIZE:
                sys.exit(f"the process uses {size / 1e6:.0f} MB, limit {LARGEST_SIZE / 1e6:.0f} MB")
            if growth[-1] > LARGEST_GROWTH:
                sys.exit(f"memory grew by {changes} when inputs {repeated[0]} to {repeated[-1]} were repeated")
    input_path.unlink(missing_ok=True)
    print(f"{arguments.count} inputs of seed {arguments.seed}, no failures: {results}")


if __name__ == "__main__":
    main()
