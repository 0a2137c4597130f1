"""Comparison with Pillow: the file that it reads, and the bytes that it encodes with the same settings."""

from __future__ import annotations

import io
import re
import statistics
from collections.abc import Iterator

import numpy as np
import webpencode
from archives import Picture
from differences import Difference, Kind, Peer
from encode_picture import QUALITY
from PIL import Image
from pillow_frames import Facts, RefusedByPillow, read_facts, read_frames, read_source_facts, read_source_frames
from timeline import Deviation, Pixels, compare_frames

# Properties in XMP that describe the pixels, which webpencode rewrites.
DESCRIBED = re.compile(
    rb"""((?:ImageWidth|ImageLength|Pixel[XY]Dimension|Orientation|ColorSpace)(?:\s*=\s*["']|>))\d+"""
)
NOISE = {8: 0.0, 16: 1.0}
"""The largest difference of a pixel by bits per sample: Pillow drops the lower half of 16 bits, where webpencode rounds."""
LOSSY_NOISE = 0.25
"""How much larger the mean error with quality 90 may be than Pillow's."""
COMPARED_FRAMES = 10
"""Of each so many frames, one is encoded by Pillow."""


def compare_with_pillow(picture: Picture, lossless: bytes, lossy: bytes) -> Iterator[Difference]:
    """Yield the differences between what Pillow reads from the picture and from the encoded files."""

    def report(kind: Kind, detail: str, amount: float = 0.0) -> Difference:
        return Difference(picture=picture.name, peer=Peer.PILLOW, kind=kind, detail=detail, amount=amount)

    try:
        facts = read_source_facts(picture.data)
        frames = read_source_frames(picture.data, facts.orientation)
        deviation = compare_frames(read_frames(lossless), frames)
    except RefusedByPillow as error:
        yield report(Kind.ACCEPTED, f"Pillow: {error}")
        return
    encoded = read_facts(lossless)
    for kind, detail, amount in list_deviations(deviation, facts.bits):
        yield report(kind, detail, amount)
    if len(deviation.delays[0]) > 1 and len(deviation.delays[1]) > 1 and encoded.plays != facts.plays:
        yield report(Kind.LOOP, f"plays {encoded.plays} times, Pillow: {facts.plays}")
    # In an animation, transparent pixels of a frame may show the frame before.
    states_alpha = _states_alpha(lossless)
    if states_alpha != deviation.transparent[0] and not (states_alpha and encoded.frames > 1):
        yield report(Kind.ALPHA, f"states {'transparency' if states_alpha else 'none'}, but the pixels differ")
    for kind, detail in _compare_metadata(facts, encoded):
        yield report(kind, detail)
    for kind, detail in _compare_probe(picture, facts, encoded, deviation):
        yield report(kind, detail)
    if not deviation.largest > NOISE[facts.bits] and deviation.sizes[0] == deviation.sizes[1]:
        yield from (report(Kind.LOSSY, detail) for detail in _compare_lossy(picture, facts, lossless, lossy))


def list_deviations(deviation: Deviation, bits: int = 8, peer: str = "Pillow") -> Iterator[tuple[Kind, str, float]]:
    """Yield kind, description and amount of each difference of frames above noise."""
    (size, other_size), (delays, other_delays) = deviation.sizes, deviation.delays
    if size != other_size:
        yield Kind.SIZE, f"{size[0]} x {size[1]}, {peer}: {other_size[0]} x {other_size[1]}", 0.0
    if len(delays) != len(other_delays):
        yield Kind.FRAMES, f"{len(delays)} different frames, {peer}: {len(other_delays)}", 0.0
    elif len(delays) > 1 and delays != other_delays:
        pairs = [f"{a} ms, {peer}: {b} ms" for a, b in zip(delays, other_delays, strict=True) if a != b]
        yield Kind.DELAYS, f"{len(pairs)} of {len(delays)} delays, the first {pairs[0]}", 0.0
    if deviation.largest > NOISE[bits]:
        yield Kind.PIXELS, f"largest {deviation.largest:.1f}, mean {deviation.mean:.3f}", deviation.largest
    if deviation.transparent[0] != deviation.transparent[1]:
        yield Kind.ALPHA, f"transparent: {deviation.transparent[0]}, {peer}: {deviation.transparent[1]}", 0.0


def _states_alpha(webp: bytes) -> bool:
    with Image.open(io.BytesIO(webp)) as image:
        return image.mode == "RGBA"


def _compare_metadata(facts: Facts, encoded: Facts) -> Iterator[tuple[Kind, str]]:
    if encoded.orientation != 1:
        yield Kind.EXIF, f"orientation {encoded.orientation} after rotation"
    if encoded.icc != facts.icc:
        yield Kind.PROFILE, f"{len(encoded.icc)} bytes, Pillow: {len(facts.icc)}"
    if encoded.exif != facts.exif:
        missing, extra = set(facts.exif) - set(encoded.exif), set(encoded.exif) - set(facts.exif)
        tags = [
            f"{len(group)} {name} ({min(group)[0]:#x})"
            for name, group in (("missing", missing), ("other", extra))
            if group
        ]
        yield Kind.EXIF, ", ".join(tags)
    if DESCRIBED.sub(rb"\1", encoded.xmp) != DESCRIBED.sub(rb"\1", facts.xmp):
        yield Kind.XMP, f"{len(encoded.xmp)} bytes, Pillow: {len(facts.xmp)}"


def _compare_probe(picture: Picture, facts: Facts, encoded: Facts, deviation: Deviation) -> Iterator[tuple[Kind, str]]:
    info = webpencode.probe(picture.data)
    width, height = deviation.sizes[0]
    if (width, height) != ((info.height, info.width) if info.orientation > 4 else (info.width, info.height)):
        yield Kind.PROBE, f"{info.width} x {info.height}, encoded: {width} x {height}"
    if info.format != picture.format:
        yield Kind.PROBE, f"format {info.format}"
    if info.pages != facts.frames:
        yield Kind.PROBE, f"{info.pages} frames, Pillow: {facts.frames}"
    if info.orientation != facts.orientation:
        yield Kind.PROBE, f"orientation {info.orientation}, Pillow: {facts.orientation}"
    if info.icc != bool(facts.icc) or info.usable_icc != bool(encoded.icc):
        yield Kind.PROBE, f"icc {info.icc}, usable {info.usable_icc}, bytes {len(facts.icc)}, kept {len(encoded.icc)}"
    if deviation.transparent[0] and not info.has_alpha:
        yield Kind.PROBE, "has_alpha is false for a picture with transparent pixels"


def _compare_lossy(picture: Picture, facts: Facts, lossless: bytes, lossy: bytes) -> Iterator[str]:
    """Compare the image data of a still picture, and the error of some frames, with Pillow's encoding of the same pixels."""
    counts = []
    for webp in (lossy, lossless):
        with Image.open(io.BytesIO(webp)) as image:
            counts.append(getattr(image, "n_frames", 1))
    if counts[0] < counts[1]:  # libwebp merges frames whose difference is smaller than the loss
        return
    errors, other_errors = [], []
    for number, (own, exact) in enumerate(zip(read_frames(lossy), read_frames(lossless), strict=True)):
        if number % COMPARED_FRAMES == 0:
            other = next(read_frames(_encode_still(exact.pixels)))
            errors.append(measure_error(own.pixels, exact.pixels))
            other_errors.append(measure_error(other.pixels, exact.pixels))
    error, other_error = statistics.mean(errors), statistics.mean(other_errors)
    if error > other_error * 1.2 + LOSSY_NOISE:
        yield f"mean error {error:.3f}, Pillow: {other_error:.3f}"
    if counts == [1, 1] and facts.bits == 8:
        pixels = next(read_frames(picture.data, orientation=facts.orientation)).pixels
        # The invisible colors of transparent pixels influence the colors next to them.
        if pixels[..., 3].min() > 0 and read_image_data(lossy) != read_image_data(_encode_still(pixels)):
            yield "other image data than libwebp in Pillow"


def _encode_still(pixels: Pixels) -> bytes:
    """Return Pillow's WebP file of pixels; with an alpha channel only if one of them is transparent."""
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    if pixels[..., 3].min() == 255:
        image = image.convert("RGB")
    image.save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()


def measure_error(pixels: Pixels, exact: Pixels) -> float:
    """Return the mean visible error of pixels, on black."""
    first, second = (p[..., :3] * (p[..., 3:].astype(np.float32) / 255) for p in (pixels, exact))
    return float(np.abs(first - second).mean())


def read_image_data(webp: bytes) -> dict[bytes, bytes]:
    """Return the chunks with image data of a still WebP file."""
    chunks, at = {}, 12
    while at + 8 <= len(webp):
        name, size = webp[at : at + 4], int.from_bytes(webp[at + 4 : at + 8], "little")
        if name in (b"VP8 ", b"VP8L", b"ALPH"):
            chunks[name] = webp[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return chunks
