"""What every build can do, also one whose libvips knows WebP and nothing else."""

from __future__ import annotations

import pytest
import webpencode

# One transparent pixel, lossless.
PIXEL = bytes.fromhex("524946461a000000574542505650384c0d0000002f00000010071011118888fe0700")


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_becomes_a_webp(lossless: bool) -> None:
    made = webpencode.encode(PIXEL, lossless=lossless)

    assert (made[:4], made[8:12]) == (b"RIFF", b"WEBP")
    assert webpencode.encode(made, lossless=lossless)[:4] == b"RIFF"


def test_the_size_can_be_chosen() -> None:
    made = webpencode.encode(PIXEL, width=5, height=5, lossless=True)

    assert webpencode.encode(made)[:4] == b"RIFF"


def test_what_is_no_image_is_an_error() -> None:
    with pytest.raises(webpencode.WebPEncodeError):
        webpencode.encode(b"no image at all")
