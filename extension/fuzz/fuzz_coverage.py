"""Run libFuzzer on webpencode and its libraries, guided by code coverage, with ASan and UBSan.

    nox -s fuzz-coverage                      half an hour
    nox -s fuzz-coverage -- --seconds 60

Requires the module that `instrument.py` builds, because libFuzzer is linked into it. Inputs that reach new code are added to
the corpus, where the next run continues. Failing inputs are written as `crash-…`, `timeout-…` or `oom-…`; `--replay FILE`
runs one again. An input consists of a header, which selects the call and its options, and a file or the samples of an array.
"""

from __future__ import annotations

import argparse
import ctypes
import random
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import webpencode
from fuzz_encode import Array, choose_options, make_seeds

HEADER = struct.Struct("<BHB")
"""Index of the call, seed for its options, and flags."""
CALLS = ("encode", "encode", "decode", "probe", "array")
FIX_CHECKSUMS = 1
"""Flag: correct the checksums of a PNG, because random changes would never match them."""
SHAPE = struct.Struct("<BBHHHiiiB")
"""Number of dimensions (highest bit: has strides), type, height, width, bands, strides and offset."""
TYPES = ("|u1", "<u2", ">u2", "|i1")
TOKENS = (
    *(b"IHDR PLTE IDAT IEND tRNS iCCP eXIf iTXt zTXt acTL fcTL fdAT sRGB gAMA cHRM sBIT pHYs".split()),
    *(b"RIFF WEBP VP8X VP8L ANIM ANMF ALPH ICCP EXIF GIF87a GIF89a NETSCAPE2.0 ICC_PROFILE JFIF Adobe Exif".split()),
    *(b"acsp RGB CMYK GRAY XYZ mntr prtr A2B0 B2A0 wtpt rTRC gTRC bTRC rXYZ curv para mft1 mft2 mAB mluc desc".split()),
    b"VP8 ",
    b"XMP ",
    b"Lab ",
    b"\xff\xd8\xff",
    b"\xff\xc0",
    b"\xff\xc2",
    b"\xff\xc4",
    b"\xff\xda",
    b"\xff\xdb",
    b"\xff\xdd",
    b"\xff\xd9",
    b"\x21\xf9\x04",
    b"\x2c",
    b"\x3b",
    b"\x9d\x01\x2a",
    b"\x2f",
)
LONGEST_INPUT = 32_768
LARGEST_MEMORY = 3000  # megabytes, including 256 of ASan itself
SLOWEST = 30  # seconds for one input; instrumented code is about ten times slower


def fix_png_checksums(data: bytes) -> bytes:
    """Return a PNG with correct checksums; return other data unchanged."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    whole, at = bytearray(data), 8
    while at + 12 <= len(whole):
        end = at + 8 + int.from_bytes(whole[at : at + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(whole)


def parse_array(data: bytes) -> Array:
    """Build an array from the bytes after the header: an interface description and samples."""
    dimensions, kind, height, width, bands, *strides, offset = SHAPE.unpack(data[: SHAPE.size].ljust(SHAPE.size, b"\0"))
    count = dimensions % 5
    return Array(
        version=3,
        shape=(height, width, bands, 1)[:count],
        typestr=TYPES[kind % len(TYPES)],
        offset=offset,
        strides=(*strides, 1)[:count] if dimensions & 0x80 else None,
        data=data[SHAPE.size :],
    )


def run_input(data: bytes) -> None:
    """Run one input; exceptions other than the documented ones are propagated."""
    if len(data) < HEADER.size:
        return
    call, number, flags = HEADER.unpack(data[: HEADER.size])
    name, body = CALLS[call % len(CALLS)], data[HEADER.size :]
    options: dict[str, Any] = choose_options(random.Random(number))
    source: Any = parse_array(body) if name == "array" else fix_png_checksums(body) if flags & FIX_CHECKSUMS else body
    if name == "decode":
        accepted = {"width", "height", "fit", "filter", "upscale", "autorotate", "background", "max_pixels", "threads"}
        options = {key: value for key, value in options.items() if key in accepted}
    try:
        if name == "probe":
            webpencode.probe(source)
        elif name == "decode":
            webpencode.decode(source, **options)
        else:
            webpencode.encode(source, **options)
    except webpencode.WebPEncodeError:
        pass
    except (TypeError, ValueError):
        # Only arrays may be invalid; options and bytes are always valid.
        if name != "array":
            raise


def write_corpus(folder: Path) -> None:
    """Write the initial corpus: a small file of every kind, for every call, and arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    for at, file in enumerate(seed for seed in make_seeds() if len(seed) < LONGEST_INPUT):
        for call in range(4):
            (folder / f"file-{at}-{call}").write_bytes(HEADER.pack(call, at, FIX_CHECKSUMS) + file)
    for at, (height, width, bands) in enumerate([(4, 5, 1), (3, 3, 2), (8, 8, 3), (2, 9, 4)]):
        for kind in range(3):
            plain = SHAPE.pack(3, kind, height, width, bands, 0, 0, 0, 0)
            size = 1 + (kind > 0)
            steps = (size * bands * width, size * bands, size)
            stepped = SHAPE.pack(0x83, kind, height, width, bands, *steps, 0)
            for name, shape in (("plain", plain), ("stepped", stepped)):
                samples = bytes(range(256)) * 3
                (folder / f"array-{name}-{at}-{kind}").write_bytes(HEADER.pack(4, at, 0) + shape + samples)


def write_dictionary(path: Path) -> None:
    """Write a dictionary for libFuzzer: tokens of the supported formats."""
    path.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in TOKENS))


def start_fuzzer(corpus: Path, finds: Path, seconds: int, extra_args: list[str]) -> int:
    """Run libFuzzer, which exits the process when it is finished."""
    # Load the module with ctypes, only for the function that libFuzzer exports.
    run = ctypes.CDLL(webpencode._webpencode.__file__).LLVMFuzzerRunDriver
    test = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)

    @test
    def run_buffer(data: int, size: int) -> int:
        try:
            run_input(ctypes.string_at(data, size))
        except BaseException as error:  # ctypes would only print it and continue
            (finds / "exception").write_bytes(ctypes.string_at(data, size))
            print(
                f"{type(error).__name__}: {error}: the input is in {finds / 'exception'}", file=sys.stderr, flush=True
            )
            ctypes.CDLL(None).abort()
        return 0

    dictionary = finds / "dictionary"
    write_dictionary(dictionary)
    arguments = [
        "fuzz-coverage",
        str(corpus),
        f"-dict={dictionary}",
        f"-artifact_prefix={finds}/",
        f"-max_len={LONGEST_INPUT}",
        f"-max_total_time={seconds}",
        f"-timeout={SLOWEST}",
        f"-rss_limit_mb={LARGEST_MEMORY}",
        "-detect_leaks=0",
        "-print_final_stats=1",
        "-reload=0",
        *extra_args,
    ]
    count = ctypes.c_int(len(arguments))
    values = (ctypes.c_char_p * (len(arguments) + 1))(*(argument.encode() for argument in arguments), None)
    pointer = ctypes.pointer(values)
    return int(run(ctypes.byref(count), ctypes.byref(pointer), run_buffer))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=1800)
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"))
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"))
    parser.add_argument("--replay", type=Path, action="append", default=[], metavar="FILE")
    arguments, extra_args = parser.parse_known_args()
    for path in arguments.replay:
        run_input(path.read_bytes())
        print(f"{path}: no failure")
    if arguments.replay:
        return
    write_corpus(arguments.corpus)
    arguments.finds.mkdir(parents=True, exist_ok=True)
    sys.exit(start_fuzzer(arguments.corpus, arguments.finds, arguments.seconds, extra_args))


if __name__ == "__main__":
    main()
