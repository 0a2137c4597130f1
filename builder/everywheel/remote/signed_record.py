"""Signed records: what a remote has about an entry, in a file that a key of a builder has signed.

The file is JSON with two texts: `record`, the record of the store, and `signature`, that of its bytes in the format of OpenSSH
with a namespace of its own. The record has the cache key, the sha256 and the size, so that no file can be exchanged for
another one that the same key has signed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from everywheel.errors import SourceError, UsageError
from everywheel.remote.protocol import RemoteFile
from everywheel.sources.request import Unavailable
from everywheel.sources.signature import LARGEST_SIGNATURE, check_key, read_public_keys, sign, verify
from everywheel.store.entry import LARGEST_RECORD, InvalidRecord, StoreEntry, format_record, is_hash, parse_record

NAMESPACE = "everywheel-store"
"""The purpose in the signatures of records, which `ssh-keygen -Y verify` receives with `-n`."""
LARGEST_SIGNED_RECORD = 2 * (LARGEST_RECORD + LARGEST_SIGNATURE)
"""Bytes; a signed record has about 900."""
RECORDS, FILES = "entries", "files"
"""The folders of a remote: signed records by key, and the files of artifacts and wheels by sha256."""


class Refused(Unavailable):
    """A remote has a record or a file that is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The public keys whose signatures are accepted, and the key that signs; a remote is only read without the latter."""

    keys: tuple[str, ...]
    sign_key: Path | None = None

    def seal(self, entry: StoreEntry) -> bytes:
        """Return the signed record of an entry; raise UsageError when the key cannot be used."""
        if self.sign_key is None:
            raise UsageError("a signing key is required to upload", hint="name one with --remote-sign-key")
        record = format_record(entry)
        signature = sign(record.encode(), self.sign_key, NAMESPACE)
        return json.dumps({"record": record, "signature": signature.decode("ascii")}, indent=1).encode()

    def open(self, content: bytes, key: str) -> StoreEntry:
        """Return the entry in the signed record of a cache key, after checking its signature; raise Refused for any other."""
        record, signature = _parse(content)
        try:
            verify(record, signature, self.keys, NAMESPACE)
        except SourceError:
            raise Refused("it is not signed by a configured key") from None
        try:
            return parse_record(record, key, used=0.0)
        except InvalidRecord as reason:
            raise Refused(str(reason)) from None


def read_unverified(content: bytes, key: str) -> StoreEntry:
    """Return the entry in a signed record whose signature is not checked, as for a list; raise Refused for anything else."""
    try:
        return parse_record(_parse(content)[0], key, used=0.0)
    except InvalidRecord as reason:
        raise Refused(str(reason)) from None


def _parse(content: bytes) -> tuple[bytes, bytes]:
    try:
        facts = json.loads(content.decode())
        record, signature = facts["record"].encode(), facts["signature"].encode("ascii")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Refused("it is not a signed record") from None
    if len(record) > LARGEST_RECORD or len(signature) > LARGEST_SIGNATURE:
        raise Refused("it is not a signed record")
    return record, signature


def load_trust(keys: tuple[Path, ...], sign_key: Path | None) -> Trust:
    """Read the public keys, by default that of the signing key.

    Raises UsageError for files that are not keys, without any key, and when the signing key cannot sign.
    """
    if sign_key is not None:
        check_key(sign_key)
        sign(b"", sign_key, NAMESPACE)
        own = sign_key if sign_key.suffix == ".pub" else sign_key.with_name(f"{sign_key.name}.pub")
        keys = keys or ((own,) if own.is_file() else ())
    if not keys:
        raise UsageError(
            "the entries of a remote store must be signed, but no key is configured",
            hint="name a file of OpenSSH public keys with --remote-keys or EVERYWHEEL_REMOTE_KEYS",
        )
    return Trust(keys=tuple(key for file in keys for key in read_public_keys(file)), sign_key=sign_key)


def record_path(key: str) -> str:
    """Return the path of the signed record of a cache key."""
    return f"{RECORDS}/{key}.json"


def file_path(sha256: str) -> str:
    """Return the path of a file with this hash."""
    return f"{FILES}/{sha256}"


def find_key(file: RemoteFile) -> str | None:
    """Return the cache key in the path of a signed record; None for any other path."""
    folder, _, name = file.path.rpartition("/")
    key = name.removesuffix(".json")
    return key if folder == RECORDS and name == f"{key}.json" and is_hash(key) else None
