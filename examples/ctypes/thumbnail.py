"""Write a thumbnail of a picture with the shared library of the SDK, from Python without headers and without a compiler.

Usage: python thumbnail.py LIBRARY PICTURE THUMBNAIL WIDTH
"""

from __future__ import annotations

import ctypes
import sys

SIZE_DOWN = 2  # VIPS_SIZE_DOWN


class Vips:
    """The functions of libvips that the program calls. The first arguments have types: the others are variable."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        self.init = library.vips_init
        self.init.argtypes = [ctypes.c_char_p]
        self.thumbnail = library.vips_thumbnail
        self.thumbnail.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int]
        self.write = library.vips_image_write_to_file
        self.write.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self.error = library.vips_error_buffer
        self.error.restype = ctypes.c_char_p
        self.width, self.height = library.vips_image_get_width, library.vips_image_get_height
        self.width.argtypes = self.height.argtypes = [ctypes.c_void_p]
        self.version = library.vips_version_string
        self.version.restype = ctypes.c_char_p
        # Functions of GLib are in the same library.
        self.unref = library.g_object_unref
        self.unref.argtypes = [ctypes.c_void_p]
        self.unref.restype = None


def main() -> int:
    library, source, destination, width = sys.argv[1:]
    vips, image, end = Vips(library), ctypes.c_void_p(), ctypes.c_char_p(None)
    if (
        vips.init(b"thumbnail") != 0
        or vips.thumbnail(source.encode(), ctypes.byref(image), int(width), b"size", ctypes.c_int(SIZE_DOWN), end) != 0
        or vips.write(image, destination.encode(), end) != 0
    ):
        print(f"thumbnail: {vips.error().decode()}", end="", file=sys.stderr)
        return 1
    print(f"{vips.width(image)} x {vips.height(image)} with libvips {vips.version().decode()}")
    vips.unref(image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
