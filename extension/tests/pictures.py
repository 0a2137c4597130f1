"""Small test images: generated PNG and GIF files, and JPEG files with EXIF data."""

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
PALETTE = (DATA / "palette.png").read_bytes()  # with transparent colors, interlaced
DEEP = (DATA / "deep.png").read_bytes()  # RGBA of 16 bits a sample, with a profile, interlaced


def draw_gradient(width: int, height: int, *, alpha: bool = False) -> list[list[Pixel]]:
    """Return rows of RGBA with four different corners; with alpha, no pixel is fully transparent."""
    return [
        [(x * 255 // width, y * 255 // height, (x ^ y) & 0xFF, 128 + x % 128 if alpha else 255) for x in range(width)]
        for y in range(height)
    ]


def draw_noise(width: int, height: int) -> list[list[Pixel]]:
    """Return rows of RGBA that barely compress, the same in each call."""
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
    """Encode RGB or RGBA with 8 bits per sample as PNG, optionally with an XMP packet and EXIF data."""
    kind, samples = (6, 4) if alpha else (2, 3)
    data = b"".join(b"\0" + b"".join(bytes(pixel[:samples]) for pixel in row) for row in rows)
    return _png(len(rows[0]), len(rows), 8, kind, data, xmp, exif)


def write_gray_png(width: int, height: int, *, bits: int) -> bytes:
    """Encode a gray ramp from left to right with 8 or 16 bits per sample as PNG."""
    ramp = (x * ((1 << bits) - 1) // max(1, width - 1) for x in range(width))
    row = b"\0" + b"".join(value.to_bytes(bits // 8, "big") for value in ramp)
    return _png(width, height, bits, 0, row * height)


def write_png_header(width: int, height: int) -> bytes:
    """Return a PNG with a size that its pixels do not have."""
    return _png(width, height, 8, 2, bytes(100))


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


def write_frames(
    size: tuple[int, int],
    frames: Iterable[tuple[int, int, int, int, int, int]],
    palette: Sequence[tuple[int, int, int]],
    *,
    loops: int | None = None,
    count: int | None = None,
) -> bytes:
    """Encode frames of one color as GIF: (index, left, top, width, height, disposal) each.

    `loops` is the number of repetitions; `count` indices are written for each frame, by default all.
    """
    colors = b"".join(bytes(color) for color in palette).ljust(128 * 3, b"\0")
    out = b"GIF89a" + struct.pack("<HHBBB", *size, 0xF6, 0, 0) + colors
    if loops is not None:
        out += b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", loops) + b"\0"
    for index, left, top, width, height, disposal in frames:
        out += b"\x21\xf9\x04" + struct.pack("<BHBB", disposal << 2, 10, 0, 0)
        out += b"\x2c" + struct.pack("<HHHHB", left, top, width, height, 0)
        out += b"\x07" + _gif_codes([[index] * (width * height if count is None else count)])
    return out + b"\x3b"


def write_animated_webp(size: tuple[int, int], frames: Iterable[tuple[bytes, int, int, int]]) -> bytes:
    """Assemble WebP files of still images to an animation: (file, left, top, milliseconds) each; offsets are even."""

    def three(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(3, "little") for number in numbers)

    body = b"WEBPVP8X" + struct.pack("<II", 10, 2) + three(size[0] - 1, size[1] - 1)
    body += b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    parts = []
    for file, left, top, delay in frames:
        bits = struct.unpack("<I", file[21:25])[0]  # lossless, without VP8X
        frame = three(left // 2, top // 2, bits & 0x3FFF, bits >> 14 & 0x3FFF, delay) + b"\0" + file[12:]
        parts.append(b"ANMF" + struct.pack("<I", len(frame)) + frame)
    body += b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def add_chunk(png: bytes, name: bytes, body: bytes, *, before: bytes) -> bytes:
    """Insert a chunk into a PNG before the first one of another type."""
    at = png.index(before) - 4
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return png[:at] + chunk + png[at:]


def add_app1(jpeg: bytes, *bodies: bytes) -> bytes:
    """Insert APP1 segments before the other segments of a JPEG."""
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in bodies)
    return jpeg[:2] + segments + jpeg[2:]


def write_gif(frames: Iterable[Sequence[Sequence[int]]], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Encode frames of indices into a palette of up to 128 colors as GIF, 100 ms per frame."""
    frames = list(frames)
    height, width = len(frames[0]), len(frames[0][0])
    colors = b"".join(bytes(color) for color in palette).ljust(128 * 3, b"\0")
    out = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF6, 0, 0) + colors
    for frame in frames:
        out += b"\x21\xf9\x04" + struct.pack("<BHBB", 0, 10, 0, 0)
        out += b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x07" + _gif_codes(frame)
    return out + b"\x3b"


def _gif_codes(frame: Sequence[Sequence[int]]) -> bytes:
    """Encode with 8-bit LZW codes; the table is cleared before codes would become longer."""
    codes = bytearray()
    for count, index in enumerate(index for row in frame for index in row):
        if count % 100 == 0:
            codes.append(128)
        codes.append(index)
    codes.append(129)
    blocks = [codes[start : start + 255] for start in range(0, len(codes), 255)]
    return b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def cut_jpeg(jpeg: bytes, width: int, height: int) -> bytes:
    """Set the size in the header of a baseline JPEG, so that its last blocks are only partly used."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def write_exif(orientation: int, *, kind: str = "H", order: str = "<") -> bytes:
    """Return EXIF data with only an orientation (1 to 8), as BYTE, SHORT or LONG ("B", "H", "I"), in either byte order."""
    number = struct.pack(order + kind, orientation).ljust(4, b"\0")
    entry = struct.pack(order + "HHI", 0x0112, {"B": 1, "H": 3, "I": 4}[kind], 1) + number
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4)


def orient_jpeg(jpeg: bytes, orientation: int, **layout: str) -> bytes:
    """Insert an EXIF segment with only an orientation before the other segments of a JPEG."""
    body = b"Exif\0\0" + write_exif(orientation, **layout)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
