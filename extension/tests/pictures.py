"""Small pictures made of nothing: PNG and GIF files from pixels, and what a camera would write into a JPEG."""

import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

Pixel = tuple[int, int, int, int]
Rows = Sequence[Sequence[Pixel]]

DATA = Path(__file__).parent / "data"
PHOTO = (DATA / "photo.jpg").read_bytes()
PHOTO_SIZE = (360, 240)
CMYK = (DATA / "cmyk.jpg").read_bytes()
CMYK_SIZE = (48, 32)
PROGRESSIVE = (DATA / "progressive.jpg").read_bytes()  # with a profile
PALETTE = (DATA / "palette.png").read_bytes()  # with transparent colours, interlaced
DEEP = (DATA / "deep.png").read_bytes()  # RGBA of 16 bits a sample, with a profile, interlaced


def draw_gradient(width: int, height: int, *, alpha: bool = False) -> list[list[Pixel]]:
    """Return rows of RGBA in which no two corners are alike; with alpha, no pixel is wholly transparent."""
    return [
        [(x * 255 // width, y * 255 // height, (x ^ y) & 0xFF, 128 + x % 128 if alpha else 255) for x in range(width)]
        for y in range(height)
    ]


def draw_noise(width: int, height: int) -> list[list[Pixel]]:
    """Return rows of RGBA that hardly compress, the same at each call."""
    state = 1
    rows = []
    for _ in range(height):
        row = []
        for _ in range(width):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            row.append((state >> 7 & 0xFF, state >> 15 & 0xFF, state >> 22 & 0xFF, 255))
        rows.append(row)
    return rows


def write_png(rows: Rows, *, alpha: bool = False, xmp: bytes = b"", exif: bytes = b"") -> bytes:
    """Write RGB or RGBA with eight bits a sample, and an XMP packet and EXIF data where they are given."""
    kind, samples = (6, 4) if alpha else (2, 3)
    data = b"".join(b"\0" + b"".join(bytes(pixel[:samples]) for pixel in row) for row in rows)
    return _png(len(rows[0]), len(rows), 8, kind, data, xmp, exif)


def write_grey_png(width: int, height: int, *, bits: int) -> bytes:
    """Write a grey ramp from left to right with 8 or 16 bits a sample."""
    ramp = (x * ((1 << bits) - 1) // max(1, width - 1) for x in range(width))
    row = b"\0" + b"".join(value.to_bytes(bits // 8, "big") for value in ramp)
    return _png(width, height, bits, 0, row * height)


def _png(width: int, height: int, bits: int, kind: int, data: bytes, xmp: bytes = b"", exif: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = chunk(b"IHDR", header)
    if xmp:
        chunks += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    if exif:
        chunks += chunk(b"eXIf", exif)
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def write_gif(frames: Iterable[Sequence[Sequence[int]]], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Write frames of indices into a palette of up to 128 colours, 100 ms each."""
    frames = list(frames)
    height, width = len(frames[0]), len(frames[0][0])
    colours = b"".join(bytes(colour) for colour in palette).ljust(128 * 3, b"\0")
    out = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF6, 0, 0) + colours
    for frame in frames:
        out += b"\x21\xf9\x04" + struct.pack("<BHBB", 0, 10, 0, 0)
        out += b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x07" + _gif_codes(frame)
    return out + b"\x3b"


def _gif_codes(frame: Sequence[Sequence[int]]) -> bytes:
    """Write eight-bit LZW codes, clearing the table before it grows so far that codes get longer."""
    codes = bytearray()
    for count, index in enumerate(index for row in frame for index in row):
        if count % 100 == 0:
            codes.append(128)
        codes.append(index)
    codes.append(129)
    blocks = [codes[start : start + 255] for start in range(0, len(codes), 255)]
    return b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def cut_jpeg(jpeg: bytes, width: int, height: int) -> bytes:
    """Say that a baseline JPEG has some pixels fewer than its last blocks, of 8 x 8 or 16 x 16, hold."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def write_exif(orientation: int, *, kind: str = "H", order: str = "<") -> bytes:
    """Write EXIF data with nothing but an orientation (1 to 8), as BYTE, SHORT or LONG ("B", "H", "I") and in either order."""
    number = struct.pack(order + kind, orientation).ljust(4, b"\0")
    entry = struct.pack(order + "HHI", 0x0112, {"B": 1, "H": 3, "I": 4}[kind], 1) + number
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4)


def orient_jpeg(jpeg: bytes, orientation: int, **how: str) -> bytes:
    """Put an EXIF block with nothing but an orientation in front of a JPEG's other blocks."""
    body = b"Exif\0\0" + write_exif(orientation, **how)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
