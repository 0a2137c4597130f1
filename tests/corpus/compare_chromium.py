"""Comparison with Chromium: how it shows a GIF or an animation, and how it shows the encoded file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from archives import Picture
from chromium import Chromium, Shown
from compare_pillow import list_deviations
from differences import Difference, Kind, Peer
from pillow_frames import REPLACED_DELAY, SHORTEST_DELAY
from timeline import Frame, compare_frames

LONGEST_LOOP = 65_535


def is_shown_by_chromium(picture: Picture) -> bool:
    """Return whether a picture is a GIF or an animated WebP: for others, Chromium's own conversion of colors differs."""
    return picture.format == "gif" or (picture.format == "webp" and b"ANIM" in picture.data[12:4096])


def compare_with_chromium(browser: Chromium, picture: Picture, lossless: bytes) -> Iterator[Difference]:
    """Yield the differences between the picture and the encoded file, both shown by Chromium."""

    def report(kind: Kind, detail: str, amount: float = 0.0) -> Difference:
        return Difference(picture=picture.name, peer=Peer.CHROMIUM, kind=kind, detail=detail, amount=amount)

    source = browser.show(picture.data, f"image/{picture.format}")
    encoded = browser.show(lossless, "image/webp") if lossless else None
    try:
        if encoded is None:
            if not source.error:
                yield report(Kind.REFUSED, f"{len(source.delays)} frames")
            return
        if source.error:
            yield report(Kind.ACCEPTED, source.error)
            return
        if encoded.error:
            yield report(Kind.STRUCTURE, encoded.error)
            return
        deviation = compare_frames(read_frames(encoded), read_frames(source))
        for kind, detail, amount in list_deviations(deviation, peer="Chromium"):
            yield report(kind, detail, amount)
        if min(map(len, deviation.delays)) > 1 and encoded.plays != min(source.plays, LONGEST_LOOP):
            yield report(Kind.LOOP, f"plays {encoded.plays} times, Chromium: {source.plays}")
    finally:
        for shown in (source, encoded):
            if shown is not None:
                shown.path.unlink()


def read_frames(shown: Shown) -> Iterator[Frame]:
    """Yield frames with the delays of browsers."""
    for frame in shown.read_frames():
        yield dataclasses.replace(frame, delay=REPLACED_DELAY) if frame.delay <= SHORTEST_DELAY else frame
