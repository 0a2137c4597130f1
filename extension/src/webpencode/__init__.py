"""Encode images as WebP, through libvips and libwebp."""

from webpencode._webpencode import WebPEncodeError, encode

__all__ = ["WebPEncodeError", "encode"]
