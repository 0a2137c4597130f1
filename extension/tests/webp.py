"""A minimal WebP reader for checking results: the container, and a decoder of lossless images.

Follows RFC 9649: section 2 for the container, section 3 for the lossless bit stream.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

Pixel = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """The header of a WebP file."""

    width: int
    height: int
    lossless: bool
    alpha: bool
    chunks: tuple[str, ...]


def read_chunks(webp: bytes) -> list[tuple[str, bytes]]:
    """Return the chunks of a WebP file; check all lengths."""
    assert webp[:4] == b"RIFF"
    assert webp[8:12] == b"WEBP"
    assert struct.unpack("<I", webp[4:8])[0] == len(webp) - 8
    chunks = []
    at = 12
    while at < len(webp):
        name, size = struct.unpack("<4sI", webp[at : at + 8])
        body = webp[at + 8 : at + 8 + size]
        assert len(body) == size
        chunks.append((name.decode("ascii"), body))
        at += 8 + size + size % 2
    assert at == len(webp)
    return chunks


def read_info(webp: bytes) -> Info:
    """Read size and type from the bit stream of the image, and check that the container agrees."""
    chunks = read_chunks(webp)
    bodies = dict(chunks)
    if "VP8L" in bodies:
        signature, bits = struct.unpack("<BI", bodies["VP8L"][:5])
        assert signature == 0x2F
        width, height, alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    else:
        assert bodies["VP8 "][3:6] == b"\x9d\x01\x2a"
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", bodies["VP8 "][6:10]))
        alpha = "ALPH" in bodies
    if "VP8X" in bodies:
        canvas = bodies["VP8X"]
        assert (width, height) == tuple(1 + int.from_bytes(canvas[at : at + 3], "little") for at in (4, 7))
        assert alpha == bool(canvas[0] & 0x10)
    names = tuple(name for name, _ in chunks)
    return Info(width=width, height=height, lossless="VP8L" in bodies, alpha=alpha, chunks=names)


def decode_lossless(webp: bytes) -> list[list[Pixel]]:
    """Return the rows of RGBA of a lossless WebP file."""
    bits = _Bits(dict(read_chunks(webp))["VP8L"][1:])
    width, height = bits.take(14) + 1, bits.take(14) + 1
    bits.take(1 + 3)
    transforms: list[tuple[int, int, int, list[int]]] = []
    coded_width = width
    while bits.take(1):
        kind = bits.take(2)
        if kind == _SUBTRACT_GREEN:
            transforms.append((kind, 0, coded_width, []))
        elif kind == _PALETTE:
            colors = bits.take(8) + 1
            table = _add_up(_read_pixels(bits, colors, 1, main=False))
            shift = 3 if colors <= 2 else 2 if colors <= 4 else 1 if colors <= 16 else 0
            transforms.append((kind, shift, coded_width, table))
            coded_width = _blocks(coded_width, shift)
        else:
            shift = bits.take(3) + 2
            table = _read_pixels(bits, _blocks(coded_width, shift), _blocks(height, shift), main=False)
            transforms.append((kind, shift, coded_width, table))
    pixels = _read_pixels(bits, coded_width, height, main=True)
    for kind, shift, coded_width, table in reversed(transforms):
        pixels = _UNDO[kind](pixels, shift, coded_width, height, table)
    rgba = [(p >> 16 & 0xFF, p >> 8 & 0xFF, p & 0xFF, p >> 24) for p in pixels]
    return [rgba[start : start + width] for start in range(0, width * height, width)]


class _Bits:
    """Bits of a byte string, least significant first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> int:
        start, skip = divmod(self._at, 8)
        self._at += count
        window = int.from_bytes(self._data[start : start + 8], "little")
        return window >> skip & (1 << count) - 1


def compose_lossless(webp: bytes) -> list[list[list[Pixel]]]:
    """Return what a lossless animation shows at each frame (RFC 9649, 2.7.1.1); partial transparency is not blended."""
    canvas: list[list[Pixel]] = []
    shown = []
    for name, body in read_chunks(webp):
        if name == "VP8X":
            width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
            canvas = [[(0, 0, 0, 0)] * width for _ in range(height)]
        if name != "ANMF":
            continue
        left, top = (2 * int.from_bytes(body[at : at + 3], "little") for at in (0, 3))
        frame = decode_lossless(b"RIFF" + struct.pack("<I", len(body) - 12) + b"WEBP" + body[16:])
        keeps_transparent = body[15] & 2 == 0
        for y, row in enumerate(frame):
            for x, pixel in enumerate(row):
                if pixel[3] or not keeps_transparent:
                    canvas[top + y][left + x] = pixel
        shown.append([list(row) for row in canvas])
        if body[15] & 1:
            for y in range(len(frame)):
                canvas[top + y][left : left + len(frame[0])] = [(0, 0, 0, 0)] * len(frame[0])
    return shown


def _blocks(size: int, shift: int) -> int:
    return (size + (1 << shift) - 1) >> shift


# Section 3.7.2: prefix codes.
_LENGTH_ORDER = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
_Code = dict[tuple[int, int], int]


def _make_code(lengths: list[int]) -> _Code:
    """Return the canonical code, as (length, bits) to symbol; a single symbol has no bits."""
    used = [symbol for symbol, length in enumerate(lengths) if length]
    if len(used) == 1:
        return {(0, 0): used[0]}
    code: _Code = {}
    bits = 0
    for length in range(1, 16):
        for symbol in used:
            if lengths[symbol] == length:
                code[length, bits] = symbol
                bits += 1
        bits <<= 1
    return code


def _read_symbol(bits: _Bits, code: _Code) -> int:
    length = prefix = 0
    while (length, prefix) not in code:
        prefix = prefix << 1 | bits.take(1)
        length += 1
        assert length <= 15
    return code[length, prefix]


def _read_code(bits: _Bits, alphabet: int) -> _Code:
    lengths = [0] * alphabet
    if bits.take(1):
        symbols = bits.take(1) + 1
        lengths[bits.take(8 if bits.take(1) else 1)] = 1
        if symbols == 2:
            lengths[bits.take(8)] = 1
        return _make_code(lengths)
    length_lengths = [0] * 19
    for symbol in _LENGTH_ORDER[: bits.take(4) + 4]:
        length_lengths[symbol] = bits.take(3)
    length_code = _make_code(length_lengths)
    left = bits.take(2 + 2 * bits.take(3)) + 2 if bits.take(1) else alphabet
    at, previous = 0, 8
    while at < alphabet and left > 0:
        left -= 1
        symbol = _read_symbol(bits, length_code)
        if symbol < 16:
            lengths[at] = symbol
            at += 1
            previous = symbol or previous
        else:
            count = bits.take((2, 3, 7)[symbol - 16]) + (3, 3, 11)[symbol - 16]
            lengths[at : at + count] = [previous if symbol == 16 else 0] * count
            at += count
    return _make_code(lengths[:alphabet])


# Section 3.5.2.2: short distance codes for the 120 nearest pixels, the nearest first.
_NEAR = sorted(
    ((left, up) for up in range(8) for left in range(-7, 9) if up > 0 or left > 0),
    key=lambda pixel: (pixel[0] ** 2 + pixel[1] ** 2, abs(pixel[0]), pixel[0] < 0),
)


def _read_copy(bits: _Bits, symbol: int) -> int:
    if symbol < 4:
        return symbol + 1
    extra = (symbol - 2) >> 1
    return (2 + (symbol & 1) << extra) + bits.take(extra) + 1


def _read_pixels(bits: _Bits, width: int, height: int, *, main: bool) -> list[int]:
    """Read an entropy-coded image (section 3.6), as ARGB numbers."""
    cache_bits = bits.take(4) if bits.take(1) else 0
    cache = [0] * (1 << cache_bits)
    groups_of: list[int] = [0]
    shift = 16
    if main and bits.take(1):
        shift = bits.take(3) + 2
        entropy = _read_pixels(bits, _blocks(width, shift), _blocks(height, shift), main=False)
        groups_of = [pixel >> 8 & 0xFFFF for pixel in entropy]
    blocks = _blocks(width, shift)
    alphabets = (256 + 24 + (1 << cache_bits if cache_bits else 0), 256, 256, 256, 40)
    groups = [[_read_code(bits, alphabet) for alphabet in alphabets] for _ in range(max(groups_of) + 1)]
    pixels: list[int] = []

    def add(pixel: int) -> None:
        pixels.append(pixel)
        cache[(0x1E35A7BD * pixel & 0xFFFFFFFF) >> (32 - cache_bits)] = pixel

    while len(pixels) < width * height:
        y, x = divmod(len(pixels), width)
        green, red, blue, alpha, distance = groups[groups_of[(y >> shift) * blocks + (x >> shift)]]
        symbol = _read_symbol(bits, green)
        if symbol < 256:
            r, b, a = (_read_symbol(bits, code) for code in (red, blue, alpha))
            add(a << 24 | r << 16 | symbol << 8 | b)
        elif symbol < 256 + 24:
            length = _read_copy(bits, symbol - 256)
            back = _read_copy(bits, _read_symbol(bits, distance))
            if back > 120:
                back -= 120
            else:
                left, up = _NEAR[back - 1]
                back = max(1, left + up * width)
            for _ in range(length):
                add(pixels[-back])
        else:
            add(cache[symbol - 256 - 24])
    return pixels


# Section 3.5: transforms that were applied to the pixels before encoding.
_PREDICT, _COLOR, _SUBTRACT_GREEN, _PALETTE = range(4)


def _plus(a: int, b: int) -> int:
    """Add two ARGB numbers channel by channel."""
    return ((a & 0xFF00FF00) + (b & 0xFF00FF00) & 0xFF00FF00) | ((a & 0xFF00FF) + (b & 0xFF00FF) & 0xFF00FF)


def _add_up(pixels: list[int]) -> list[int]:
    total, sums = 0, []
    for pixel in pixels:
        total = _plus(total, pixel)
        sums.append(total)
    return sums


def _each(function: Callable[..., int], *pixels: int) -> int:
    """Apply a function of channels to ARGB numbers."""
    return sum(function(*(pixel >> at & 0xFF for pixel in pixels)) << at for at in (0, 8, 16, 24))


def _half(a: int, b: int) -> int:
    return _each(lambda x, y: (x + y) // 2, a, b)


def _clamp(value: int) -> int:
    return min(255, max(0, value))


def _select(left: int, top: int, corner: int) -> int:
    def distance(a: int, b: int) -> int:
        return sum(abs((a >> at & 0xFF) - (b >> at & 0xFF)) for at in (0, 8, 16, 24))

    return left if distance(top, corner) < distance(left, corner) else top


def _halve_toward_zero(value: int) -> int:
    return value // 2 if value >= 0 else -(-value // 2)


# Each predicts a pixel from its neighbors: left, top, top right and top left.
_PREDICTORS: tuple[Callable[[int, int, int, int], int], ...] = (
    lambda left, top, right, corner: 0xFF000000,
    lambda left, top, right, corner: left,
    lambda left, top, right, corner: top,
    lambda left, top, right, corner: right,
    lambda left, top, right, corner: corner,
    lambda left, top, right, corner: _half(_half(left, right), top),
    lambda left, top, right, corner: _half(left, corner),
    lambda left, top, right, corner: _half(left, top),
    lambda left, top, right, corner: _half(corner, top),
    lambda left, top, right, corner: _half(top, right),
    lambda left, top, right, corner: _half(_half(left, corner), _half(top, right)),
    lambda left, top, right, corner: _select(left, top, corner),
    lambda left, top, right, corner: _each(lambda a, b, c: _clamp(a + b - c), left, top, corner),
    lambda left, top, right, corner: _each(
        lambda a, c: _clamp(a + _halve_toward_zero(a - c)), _half(left, top), corner
    ),
)


def _undo_predict(pixels: list[int], shift: int, width: int, height: int, table: list[int]) -> list[int]:
    out: list[int] = []
    for at, pixel in enumerate(pixels):
        y, x = divmod(at, width)
        if at == 0:
            guess = 0xFF000000
        elif y == 0:
            guess = out[-1]
        elif x == 0:
            guess = out[at - width]
        else:
            mode = table[(y >> shift) * _blocks(width, shift) + (x >> shift)] >> 8 & 15
            # In the last column, the top right pixel is the first one of this row.
            guess = _PREDICTORS[mode](out[at - 1], out[at - width], out[at - width + 1], out[at - width - 1])
        out.append(_plus(pixel, guess))
    return out


def _undo_color(pixels: list[int], shift: int, width: int, height: int, table: list[int]) -> list[int]:
    def signed(value: int) -> int:
        return (value & 0xFF) - (value & 0x80) * 2

    def delta(factor: int, channel: int) -> int:
        return signed(factor) * signed(channel) >> 5

    out = []
    for at, pixel in enumerate(pixels):
        y, x = divmod(at, width)
        factors = table[(y >> shift) * _blocks(width, shift) + (x >> shift)]
        green = pixel >> 8
        red = (pixel >> 16) + delta(factors, green) & 0xFF
        blue = pixel + delta(factors >> 8, green) + delta(factors >> 16, red) & 0xFF
        out.append(pixel & 0xFF00FF00 | red << 16 | blue)
    return out


def _undo_subtract_green(pixels: list[int], shift: int, width: int, height: int, table: list[int]) -> list[int]:
    return [_plus(pixel, (pixel >> 8 & 0xFF) * 0x10001) for pixel in pixels]


def _undo_palette(pixels: list[int], shift: int, width: int, height: int, table: list[int]) -> list[int]:
    each, per_row = 8 >> shift, _blocks(width, shift)
    out = []
    for y in range(height):
        for x in range(width):
            packed = pixels[y * per_row + (x >> shift)] >> 8 & 0xFF
            index = packed >> each * (x & (1 << shift) - 1) & (1 << each) - 1
            out.append(table[index] if index < len(table) else 0)
    return out


_UNDO = {
    _PREDICT: _undo_predict,
    _COLOR: _undo_color,
    _SUBTRACT_GREEN: _undo_subtract_green,
    _PALETTE: _undo_palette,
}
