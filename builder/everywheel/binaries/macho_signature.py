"""Code signatures of Mach-O files: whether the signed hashes match the contents.

A signature is a SuperBlob at the end of a file. Its CodeDirectory contains the hash of each page before the signature, and
the hashes of the other blobs (xnu, osfmk/kern/cs_blobs.h). All numbers are big-endian. A signature that is not ad hoc also
has a certificate, which is not checked.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType

_SUPERBLOB, _CODE_DIRECTORY = 0xFADE0CC0, 0xFADE0C02
_DIRECTORIES = (0, *range(0x1000, 0x1006))  # the slots of the CodeDirectory, and of those with other hashes
_HASHES = MappingProxyType({1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48)})
_HASHED_BLOBS = MappingProxyType({2: "the requirements", 5: "the entitlements", 7: "the DER entitlements"})


def check_signature(image: bytes, offset: int, size: int) -> tuple[str, ...]:
    """Return the problems of the signature at an offset of a Mach-O file with one architecture, none if it is valid.

    It is valid if it contains the right hash of every page before it and of every other blob.
    """
    try:
        blobs = _read_blobs(image[offset : offset + size])
        directories = [blobs[slot] for slot in _DIRECTORIES if slot in blobs]
        if not directories:
            return ("it has no CodeDirectory",)
        return tuple(
            problem for directory in directories for problem in _check_directory(directory, blobs, image, offset)
        )
    except (struct.error, ValueError) as error:
        return (f"it cannot be read: {error}",)


def _read_blobs(signature: bytes) -> dict[int, bytes]:
    magic, length, count = struct.unpack_from(">3I", signature)
    if magic != _SUPERBLOB or length > len(signature) or 12 + 8 * count > length:
        raise ValueError("the magic number is wrong")
    blobs = {}
    for index in range(count):
        slot, start = struct.unpack_from(">2I", signature, 12 + 8 * index)
        _, size = struct.unpack_from(">2I", signature, start)
        if start + size > length:
            raise ValueError("a part of it is truncated")
        if slot in blobs:
            raise ValueError("it has a part twice")
        if slot in _DIRECTORIES or slot in _HASHED_BLOBS:
            blobs[slot] = signature[start : start + size]
    return blobs


def _check_directory(directory: bytes, blobs: Mapping[int, bytes], image: bytes, offset: int) -> Iterator[str]:
    magic, _, version, _, hashes, _, special, slots, limit = struct.unpack_from(">9I", directory)
    size, kind, _, page_bits = struct.unpack_from(">4B", directory, 36)
    if magic != _CODE_DIRECTORY:
        raise ValueError("the magic number of its CodeDirectory is wrong")
    algorithm, expected = _HASHES.get(kind, ("", size))
    if not algorithm or size != expected:
        raise ValueError(f"its hashes are of the unknown type {kind}")
    if version >= 0x20300 and len(directory) >= 64:  # since this version there is a second, wider field
        limit = struct.unpack_from(">Q", directory, 56)[0] or limit
    if limit != offset:
        yield f"it covers the first {limit} bytes, but begins at {offset}"
        return
    page = 1 << page_bits if page_bits else max(limit, 1)
    if slots != -(-limit // page) or hashes + slots * size > len(directory) or special * size > hashes:
        raise ValueError("it does not have one hash for each page")

    def digest(data: bytes) -> bytes:
        return hashlib.new(algorithm, data).digest()[:size]

    pages = [image[start : min(start + page, limit)] for start in range(0, limit, page)]
    changed = [n for n, data in enumerate(pages) if digest(data) != directory[hashes + n * size :][:size]]
    if changed:
        yield f"{len(changed)} of {slots} pages do not match their hashes, the first at byte {changed[0] * page}"
    for slot, name in _HASHED_BLOBS.items():
        if slot in blobs and slot <= special and directory[hashes - slot * size :][:size] != digest(blobs[slot]):
            yield f"{name} in it do not match their hash"
