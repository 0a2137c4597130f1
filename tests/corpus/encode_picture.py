"""Encoding a picture as every check does, and what the process writes to standard error meanwhile."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import webpencode

QUALITY = 90
MAX_PIXELS = 40_000_000
"""The largest frame, so that checks need little memory; all frames together may have ten times as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A picture without loss and with QUALITY, or why it was refused; `printed` has to be empty."""

    lossless: bytes = b""
    lossy: bytes = b""
    refusal: str = ""
    printed: str = ""


def encode_picture(data: bytes) -> Encoded:
    """Encode the bytes of an image file."""
    refusal = lossless = lossy = None
    with capture_errors() as file:
        try:
            info = webpencode.probe(data)
            if info.width * info.height > MAX_PIXELS:
                return Encoded(refusal=f"more than {MAX_PIXELS} pixels")
            lossless = webpencode.encode(data, lossless=True, effort=0, max_pixels=10 * MAX_PIXELS)
            lossy = webpencode.encode(data, quality=QUALITY, max_pixels=10 * MAX_PIXELS)
        except (webpencode.WebPEncodeError, MemoryError) as error:
            refusal = f"{type(error).__name__}: {error}"
        file.seek(0)
        printed = file.read().decode(errors="replace")
    if lossless is None or lossy is None:
        return Encoded(refusal=refusal or "", printed=printed)
    return Encoded(lossless=lossless, lossy=lossy, printed=printed)


@contextmanager
def capture_errors() -> Iterator[BinaryIO]:
    """Redirect the standard error of this process, also that of libraries, to a temporary file."""
    sys.stderr.flush()
    original = os.dup(2)
    try:
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), 2)
            yield file
    finally:
        os.dup2(original, 2)
        os.close(original)
