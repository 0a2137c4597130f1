"""Code signatures of Mach-O files: whether what was signed is still what is there.

A signature is a SuperBlob at the end of a file; its CodeDirectory lists the hash of each page of what comes before it, and
of the other blobs (xnu, osfmk/kern/cs_blobs.h). All its numbers are big-endian. An ad-hoc signature is nothing more; one
with a certificate has the same hashes, and its certificate is not looked at here.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType

_SUPERBLOB, _CODE_DIRECTORY = 0xFADE0CC0, 0xFADE0C02
_DIRECTORIES = (0, *range(0x1000, 0x1006))  # the slots of the CodeDirectory, and of those with other hashes
_HASHES = MappingProxyType({1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48)})
_HELD_HERE = MappingProxyType({2: "the requirements", 5: "the entitlements", 7: "the DER entitlements"})


def check_signature(image: bytes, offset: int, size: int) -> tuple[str, ...]:
    """Return what is wrong with the signature at an offset of a Mach-O file of one architecture.

    The answer is empty for a signature that holds: the hash of every page before it is in it, and of every blob beside.
    """
    try:
        blobs = _read_blobs(image[offset : offset + size])
        directories = [blobs[slot] for slot in _DIRECTORIES if slot in blobs]
        if not directories:
            return ("there is no CodeDirectory in it",)
        return tuple(words for directory in directories for words in _check_directory(directory, blobs, image, offset))
    except (struct.error, ValueError) as error:
        return (f"it cannot be read: {error}",)


def _read_blobs(signature: bytes) -> dict[int, bytes]:
    magic, length, count = struct.unpack_from(">3I", signature)
    if magic != _SUPERBLOB or length > len(signature) or 12 + 8 * count > length:
        raise ValueError("it does not begin as one")
    blobs = {}
    for index in range(count):
        slot, start = struct.unpack_from(">2I", signature, 12 + 8 * index)
        _, size = struct.unpack_from(">2I", signature, start)
        if start + size > length:
            raise ValueError("a part of it is cut off")
        if slot in blobs:
            raise ValueError("it has a part twice")
        if slot in _DIRECTORIES or slot in _HELD_HERE:
            blobs[slot] = signature[start : start + size]
    return blobs


def _check_directory(directory: bytes, blobs: Mapping[int, bytes], image: bytes, offset: int) -> Iterator[str]:
    magic, _, version, _, hashes, _, special, slots, limit = struct.unpack_from(">9I", directory)
    size, kind, _, page_bits = struct.unpack_from(">4B", directory, 36)
    if magic != _CODE_DIRECTORY:
        raise ValueError("its CodeDirectory does not begin as one")
    algorithm, expected = _HASHES.get(kind, ("", size))
    if not algorithm or size != expected:
        raise ValueError(f"it has hashes of an unknown kind, {kind}")
    if version >= 0x20300 and len(directory) >= 64:  # there a wider field for the limit begins to exist
        limit = struct.unpack_from(">Q", directory, 56)[0] or limit
    if limit != offset:
        yield f"it is of the first {limit} bytes, but begins at {offset}"
        return
    page = 1 << page_bits if page_bits else max(limit, 1)
    if slots != -(-limit // page) or hashes + slots * size > len(directory) or special * size > hashes:
        raise ValueError("it has not one hash for each page")

    def digest(data: bytes) -> bytes:
        return hashlib.new(algorithm, data).digest()[:size]

    pages = [image[start : min(start + page, limit)] for start in range(0, limit, page)]
    changed = [n for n, data in enumerate(pages) if digest(data) != directory[hashes + n * size :][:size]]
    if changed:
        yield f"{len(changed)} of {slots} pages are not what was signed, the first at byte {changed[0] * page}"
    for slot, name in _HELD_HERE.items():
        if slot in blobs and slot <= special and directory[hashes - slot * size :][:size] != digest(blobs[slot]):
            yield f"{name} in it are not what was signed"
