"""Differences between webpencode and another program."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Peer(StrEnum):
    """The programs that webpencode is compared with, and `process` for what an encoder must never do."""

    PILLOW = "pillow"
    LIBWEBP = "libwebp"
    CHROMIUM = "chromium"
    PROCESS = "process"


class Kind(StrEnum):
    """The differing property."""

    ACCEPTED = "accepted"  # the peer refuses the file
    REFUSED = "refused"  # the peer reads the file
    PROBE = "probe"
    SIZE = "size"
    FRAMES = "frames"
    DELAYS = "delays"
    LOOP = "loop"
    PIXELS = "pixels"
    ALPHA = "alpha"
    PROFILE = "profile"
    EXIF = "exif"
    XMP = "xmp"
    LOSSY = "lossy"  # the picture with quality 90
    STRUCTURE = "structure"  # the WebP file has an error
    ENDED = "ended"  # the process did
    PRINTED = "printed"  # something was printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference of one picture; `amount` is the largest difference of a pixel, from 0 to 255, where there is one."""

    picture: str
    peer: Peer
    kind: Kind
    detail: str
    amount: float = 0.0
