"""Tests for every build, including those whose libvips supports only WebP."""

from __future__ import annotations

import pytest
import webpencode

# One transparent pixel, lossless.
PIXEL = bytes.fromhex("524946461a000000574542505650384c0d0000002f00000010071011118888fe0700")


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_becomes_a_webp(lossless: bool) -> None:
    result = webpencode.encode(PIXEL, lossless=lossless)

    assert (result[:4], result[8:12]) == (b"RIFF", b"WEBP")
    assert webpencode.encode(result, lossless=lossless)[:4] == b"RIFF"


def test_the_size_can_be_chosen() -> None:
    result = webpencode.encode(PIXEL, width=5, height=5, lossless=True)

    assert webpencode.encode(result)[:4] == b"RIFF"


def test_data_that_is_not_an_image_is_an_error() -> None:
    with pytest.raises(webpencode.WebPEncodeError):
        webpencode.encode(b"no image at all")
