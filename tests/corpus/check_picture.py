"""The comparisons of one picture that run in a worker process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archives import Picture
from compare_libwebp import compare_with_libwebp
from compare_pillow import compare_with_pillow
from differences import Difference, Kind, Peer
from encode_picture import Encoded, encode_picture
from pillow_frames import RefusedByPillow, read_source_frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The differences of a picture, and what was compared."""

    differences: tuple[Difference, ...]
    encoded: Encoded


def check_picture(picture: Picture, with_libwebp: bool) -> Checked:
    """Encode a picture without loss and with quality 90, and compare both files with Pillow and libwebp's tools."""
    encoded = encode_picture(picture.data)
    differences = []
    if encoded.printed:
        detail = encoded.printed.splitlines()[0]
        differences.append(Difference(picture=picture.name, peer=Peer.PROCESS, kind=Kind.PRINTED, detail=detail))
    if encoded.refusal:
        differences += _check_refusal(picture, encoded.refusal)
        return Checked(differences=tuple(differences), encoded=encoded)
    differences += compare_with_pillow(picture, encoded.lossless, encoded.lossy)
    if with_libwebp:
        for webp in (encoded.lossless, encoded.lossy):
            differences += compare_with_libwebp(picture.name, webp)
    return Checked(differences=tuple(differences), encoded=encoded)


def _check_refusal(picture: Picture, refusal: str) -> Iterator[Difference]:
    """Yield a difference if Pillow reads a picture that webpencode refuses."""
    try:
        for _ in read_source_frames(picture.data):
            pass
    except RefusedByPillow:
        return
    yield Difference(picture=picture.name, peer=Peer.PILLOW, kind=Kind.REFUSED, detail=refusal)
