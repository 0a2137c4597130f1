"""The error of xz's decompressor, also on a Python without one, as some build images have: there, nobody raises it."""

__all__ = ["LZMAError"]

try:
    from lzma import LZMAError
except ImportError:

    class LZMAError(Exception):  # type: ignore[no-redef]
        """What is handed in to such an image is not packed with xz."""
