"""The exception of Python's xz decompressor, which some build images' Python does not have."""

__all__ = ["LZMAError"]

try:
    from lzma import LZMAError
except ImportError:

    class LZMAError(Exception):  # type: ignore[no-redef]
        """A substitute that is never raised: builds in such images do not unpack archives that are compressed with xz."""
