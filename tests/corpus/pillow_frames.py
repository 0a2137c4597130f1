"""The frames and properties that Pillow reads from an image file, as they have to be in the encoded one."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from encode_picture import MAX_PIXELS
from PIL import ExifTags, Image
from timeline import Frame, Pixels

SHORTEST_DELAY = 10  # milliseconds: browsers show frames with this delay or less for REPLACED_DELAY
REPLACED_DELAY = 100
LONGEST_LOOP = 65_535  # of WebP
# Tags that describe the size, the orientation or the color space, and links to other directories.
DESCRIBING = frozenset({0x100, 0x101, 0x112, 0xA001, 0xA002, 0xA003, 0x8769, 0x8825, 0xA005, 0x201, 0x202})
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", module="PIL")

# The operations that make a picture with an EXIF orientation upright, on an array.
UPRIGHT = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The properties of a picture that do not change from frame to frame; `plays` is 0 for an infinite animation."""

    frames: int
    orientation: int
    plays: int
    bits: int
    icc: bytes
    exif: tuple[tuple[int, str], ...]
    xmp: bytes


def read_facts(data: bytes) -> Facts:
    """Return the properties of an image file; raise an exception of Pillow if it reads none of it."""
    with Image.open(io.BytesIO(data)) as image:
        frames = getattr(image, "n_frames", 1)
        image.load()  # metadata may follow the pixels
        exif = _read_exif(image)
        return Facts(
            frames=frames,
            orientation=int(exif.get(0x112, 1)) if exif.get(0x112, 1) in UPRIGHT else 1,
            plays=_read_plays(image, frames),
            bits=16 if image.mode.startswith("I") or _has_wide_samples(data) else 8,
            icc=image.info.get("icc_profile") or b"",
            exif=_list_tags(exif),
            xmp=_read_xmp(image),
        )


def read_frames(data: bytes, *, orientation: int = 1) -> Iterator[Frame]:
    """Yield the frames of an image file, upright, with the delays of browsers."""
    with Image.open(io.BytesIO(data)) as image:
        is_gif = image.format == "GIF"
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            pixels = _read_pixels(image)
            delay = round(image.info.get("duration", 0))
            if delay <= SHORTEST_DELAY and (is_gif or getattr(image, "n_frames", 1) > 1):
                delay = REPLACED_DELAY
            yield Frame(delay=delay, pixels=np.ascontiguousarray(UPRIGHT.get(orientation, lambda p: p)(pixels)))


class RefusedByPillow(Exception):
    """Pillow does not read a picture; its readers raise exceptions of many types."""


def read_source_facts(data: bytes) -> Facts:
    """Return the properties of any image file; raise RefusedByPillow."""
    try:
        return read_facts(data)
    except Exception as error:
        raise RefusedByPillow(f"{type(error).__name__}: {error}") from error


def read_source_frames(data: bytes, orientation: int = 1) -> Iterator[Frame]:
    """Yield the frames of any image file; raise RefusedByPillow."""
    try:
        yield from read_frames(data, orientation=orientation)
    except Exception as error:
        raise RefusedByPillow(f"{type(error).__name__}: {error}") from error


def _read_pixels(image: Image.Image) -> Pixels:
    """Return a frame as RGBA; samples of 16 bits are rounded, those of which Pillow keeps the upper half are not."""
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.float64)
        gray = np.rint(wide / 257).clip(0, 255).astype(np.uint8)
        alpha = np.full_like(gray, 255)
        if isinstance(value := image.info.get("transparency"), int):
            alpha[wide == value] = 0
        return np.stack([gray, gray, gray, alpha], axis=-1)
    return np.asarray(image.convert("RGBA"))


def _read_plays(image: Image.Image, frames: int) -> int:
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else 0 if loop == 0 else min(int(loop) + 1, LONGEST_LOOP)
    return int(loop) if frames > 1 and loop is not None else 1


def _has_wide_samples(data: bytes) -> bool:
    return data.startswith(b"\x89PNG") and data[24] == 16


def _read_xmp(image: Image.Image) -> bytes:
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return xmp.encode() if isinstance(xmp, str) else bytes(xmp)


def _read_exif(image: Image.Image) -> Image.Exif:
    """Return the EXIF data; those that Pillow cannot read are empty."""
    try:
        return image.getexif()
    except (SyntaxError, ValueError, OSError, struct.error):
        return Image.Exif()


def _list_tags(exif: Image.Exif) -> tuple[tuple[int, str], ...]:
    """Return the entries of the main directory, the Exif and the GPS directory that do not describe the pixels."""
    tags: dict[int, Any] = dict(exif)
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        tags |= {directory * 0x10000 + tag: value for tag, value in exif.get_ifd(directory).items()}
    return tuple(sorted((tag, repr(value)) for tag, value in tags.items() if tag & 0xFFFF not in DESCRIBING))
