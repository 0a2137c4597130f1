"""Give webpencode damaged files and odd arrays by the hundred thousand; it must answer each, and stay alive and small.

    nox -s fuzz                          100,000 inputs
    nox -s fuzz -- --count 1000 --seed 7

Every answer is a file or an error of the package's. A crash leaves the input that made it in `fuzz-input`, and the seed and
number that make it again are printed as it goes.
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
    write_grey_png,
    write_png,
)

LARGEST_SIZE = 200_000_000  # bytes of resident memory: new inputs take some, as much as the largest of them needs
LARGEST_GROWTH = 3_000_000  # and of these, what a thousand inputs may take that were given before
REPEATED = 1000
SLOWEST = 10.0  # seconds for one input
MAX_PIXELS = 1_000_000
TELLING = bytes([0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF])


def make_seeds() -> list[bytes]:
    """Return a small file of every kind that is read."""
    frames = [[[(x + at) % 3 for x in range(24)] for _ in range(16)] for at in range(3)]
    gif = write_gif(frames, [(0, 0, 0), (255, 0, 0), (0, 0, 255)])
    clear = write_png(draw_gradient(24, 16, alpha=True), alpha=True, xmp=b"<x:xmpmeta/>")
    small = webpencode.encode(PHOTO, width=24)
    return [
        small,
        webpencode.encode(clear, lossless=True),
        webpencode.encode(gif),
        webpencode.encode(clear),
        gif,
        clear,
        write_png(draw_gradient(24, 16)),
        write_grey_png(24, 16, bits=8),
        write_grey_png(24, 16, bits=16),
        CMYK,
        orient_jpeg(CMYK, 6),
        PROGRESSIVE,
        PALETTE,
        DEEP,
    ]


def damage(data: bytes, chance: random.Random, seeds: list[bytes]) -> bytes:
    """Change a file in one to six places: flip, set, cut, repeat, move, or mix it with another."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        if not changed:
            break
        at, length = chance.randrange(len(changed)), chance.choice((1, 2, 4, 16, 64))
        match chance.randrange(7):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.choice(TELLING)
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = changed[at : at + length]
            case 4:
                changed[at : at + length] = chance.randbytes(length)
            case 5:
                del changed[at:]
            case 6:
                other = chance.choice(seeds)
                changed[at:] = other[chance.randrange(len(other)) :]
    return bytes(changed)


def choose_options(chance: random.Random) -> dict[str, Any]:
    """Return options of every kind, all of them valid."""
    options: dict[str, Any] = {"max_pixels": MAX_PIXELS, "effort": 0}
    choices: dict[str, Callable[[], Any]] = {
        "width": lambda: chance.choice((1, 7, 30, 100)),
        "height": lambda: chance.choice((1, 7, 30, 100)),
        "fit": lambda: chance.choice(("inside", "cover", "contain", "fill")),
        "upscale": lambda: True,
        "lossless": lambda: True,
        "near_lossless": lambda: chance.randrange(101),
        "quality": lambda: chance.randrange(101),
        "keep": lambda: chance.choice(((), ("icc",), ("exif", "xmp"))),
        "background": lambda: (1, 2, 3),
        "autorotate": lambda: False,
        "animated": lambda: False,
        "sharp_yuv": lambda: True,
        "threads": lambda: 1,
    }
    for name in chance.sample(sorted(choices), chance.randrange(4)):
        options[name] = choices[name]()
    return options


class Array:
    """An array that is described by anything."""

    def __init__(self, **interface: Any) -> None:
        self.__array_interface__ = interface


def make_array(chance: random.Random) -> Array:
    """Describe bytes as an array, more often wrongly than not."""
    shape = tuple(chance.choice((0, 1, 2, 3, 4, 5, 17, 16383, 16384)) for _ in range(chance.choice((1, 2, 2, 3, 3, 4))))
    strides = tuple(chance.choice((-1, 0, 1, 2, 3, 7, 1 << 40)) for _ in shape) if chance.random() < 0.5 else None
    return Array(
        version=3,
        shape=shape,
        strides=strides,
        typestr=chance.choice(("|u1", "<u2", ">u2", "|i1", "<f4")),
        data=bytes(chance.choice((0, 1, 100, 70_000))),
        offset=chance.choice((0, 0, 0, 1, 99)),
    )


def count_resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def try_input(seed: int, number: int, seeds: list[bytes], kept: Path) -> str:
    """Give an input to whoever reads it; return what kind of answer came."""
    chance = random.Random(f"{seed} {number}")
    source: Any = make_array(chance)
    if chance.random() < 0.9:
        source = damage(chance.choice(seeds), chance, seeds)
        kept.write_bytes(source)
    read = chance.choice((webpencode.encode, webpencode.encode, webpencode.decode, webpencode.probe))
    options = choose_options(chance) if read is webpencode.encode else {"max_pixels": MAX_PIXELS}
    if read is webpencode.probe:
        options = {}
    started = time.monotonic()
    try:
        answer = type(read(source, **options)).__name__
    except (webpencode.WebPEncodeError, TypeError, ValueError) as error:
        answer = type(error).__name__
    spent = time.monotonic() - started
    if spent > SLOWEST:
        sys.exit(f"input {number} of seed {seed} took {spent:.1f} s: it is in {kept}")
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    seeds, kept = make_seeds(), Path("fuzz-input")
    answers: dict[str, int] = {}
    began = time.monotonic()
    for number in range(arguments.count):
        answer = try_input(arguments.seed, number, seeds, kept)
        answers[answer] = answers.get(answer, 0) + 1
        done = number + 1
        if done % 10_000 == 0 or done == arguments.count:
            again = range(max(0, done - REPEATED), done)
            growth = []
            # The first time, the pieces of a heap may still fall into other places than before. A leak goes on.
            while len(growth) < 3 and (not growth or growth[-1] > LARGEST_GROWTH):
                before = count_resident_bytes()
                for one in again:
                    try_input(arguments.seed, one, seeds, kept)
                growth.append(count_resident_bytes() - before)
            size, grown = count_resident_bytes(), ", ".join(f"{one / 1e6:+.1f} MB" for one in growth)
            print(
                f"{done} inputs in {time.monotonic() - began:.0f} s, {size / 1e6:.0f} MB, {grown} when some came again"
            )
            print(f"  {answers}", flush=True)
            if size > LARGEST_SIZE:
                sys.exit(f"it has grown to {size / 1e6:.0f} MB")
            if growth[-1] > LARGEST_GROWTH:
                sys.exit(f"it grew by {grown} when inputs {again[0]} to {again[-1]} came again")
    kept.unlink(missing_ok=True)
    print(f"{arguments.count} inputs of seed {arguments.seed}, none of which did harm: {answers}")


if __name__ == "__main__":
    main()
