"""Importing bundles: every file is checked before the store has it, and with a public key the signature before that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from everywheel.archives.refusal import ArchiveError, BrokenArchive
from everywheel.archives.tar_reader import TarKind, TarMember, open_tar
from everywheel.errors import SourceError
from everywheel.execution.files import translate_os_errors
from everywheel.sources.bundle_folder import BundleFolder
from everywheel.sources.bundle_index import (
    INDEX,
    LARGEST_INDEX,
    RECIPES,
    SIGNATURE,
    SUMS,
    BundledFile,
    InvalidIndex,
    check_sums,
    read_index,
    read_sums,
)
from everywheel.sources.cache import hash_bytes, open_scratch, store_source
from everywheel.sources.request import HashMismatch
from everywheel.sources.signature import LARGEST_SIGNATURE, read_public_keys, verify

_LARGEST_RECIPE_FILE = 64 << 20  # bytes, as for recipes in a folder
_HINT = "create the bundle again with `everywheel sources bundle` on a machine that has the sources"


class _Members(Protocol):
    """The files of a bundle in their order; the content of one can be read until the next one."""

    @property
    def is_compressed(self) -> bool: ...
    def __iter__(self) -> Iterator[TarMember]: ...
    def read(self, limit: int) -> bytes: ...
    def copy(self, file: BinaryIO) -> None: ...


def import_bundle(bundle: Path, *, store: Path, public_key: Path | None = None) -> tuple[BundledFile, ...]:
    """Add every source of a bundle to the store and return them; the recipes are for readers and are not imported.

    First the members are checked: an archive has only the files that the index lists, and of a folder no others are read.
    With `public_key`, a file of OpenSSH public keys, the bundle must be signed by one of them. Then each source is hashed;
    correct ones are kept, and a SourceError names all others.
    """
    keys = () if public_key is None else read_public_keys(public_key)
    if bundle.exists() and not (bundle.is_file() or bundle.is_dir()):
        raise _refuse(bundle, "it is a device or a named pipe")
    try:
        with _open(bundle) as members:
            entries = _check_members(bundle, members, public_key, keys)
        wrong = _store_members(bundle, entries, store)
    except FileNotFoundError:
        raise SourceError(f"{bundle}: no such bundle", hint=_HINT) from None
    except InvalidIndex as reason:
        raise _refuse(bundle, str(reason)) from None
    except ArchiveError as error:
        raise _refuse(bundle, f"truncated or not a tar archive ({str(error).lower()})") from None
    if wrong:
        raise SourceError(
            f"{bundle}: {len(wrong)} of {len(entries)} files do not have the hash in the index and were discarded",
            excerpt=wrong,
            hint=f"the other files are in the store; {_HINT}",
        )
    return tuple(entries.values())


@contextmanager
def _open(bundle: Path) -> Iterator[_Members]:
    if bundle.is_dir():
        yield BundleFolder(bundle)
    else:
        with open_tar(bundle) as members:
            yield members


def _store_members(bundle: Path, entries: Mapping[str, BundledFile], store: Path) -> list[str]:
    """Copy the sources of a bundle into the store, and return a line for each one that does not have its hash."""
    wrong: list[str] = []
    with _open(bundle) as members:
        for member in members:
            entry = entries.get(member.name)
            if entry is None:
                continue
            with open_scratch(store) as scratch:
                file = scratch / "file"
                with translate_os_errors(file), file.open("wb") as copy:
                    members.copy(copy)
                try:
                    store_source(store, file, entry.sha256)
                except HashMismatch as reason:
                    wrong.append(f"{entry.label}: {entry.filename}: {reason}")
    return wrong


def _refuse(bundle: Path, reason: str) -> SourceError:
    return SourceError(f"{bundle} is not a bundle of sources", details={"reason": reason}, hint=_HINT)


def _check_members(
    bundle: Path, members: _Members, public_key: Path | None, keys: tuple[str, ...]
) -> dict[str, BundledFile]:
    """Return the sources in the index by their names, after checking that the bundle has no other members."""
    if members.is_compressed:
        raise BrokenArchive("it is compressed")
    archive = iter(members)
    first = next(archive, None)
    if first is None or first.name != SUMS or first.kind is not TarKind.FILE or first.size > LARGEST_INDEX:
        raise InvalidIndex(f"it does not begin with {SUMS}")
    text, signature = members.read(LARGEST_INDEX), b""
    second = next(archive, None)
    if second is not None and second.name == SIGNATURE and second.kind is TarKind.FILE:
        signature, second = members.read(LARGEST_SIGNATURE), next(archive, None)
    if public_key is not None:
        _verify(bundle, text, signature, public_key, keys)
    sums = read_sums(text)
    if second is None or second.name != INDEX or second.kind is not TarKind.FILE or second.size > LARGEST_INDEX:
        raise InvalidIndex(f"{INDEX} does not follow {SUMS}")
    content = members.read(LARGEST_INDEX)
    if sums.get(INDEX) != hash_bytes(content):
        raise InvalidIndex(f"{INDEX} does not have the hash in {SUMS}")
    index = read_index(content)
    check_sums(sums, index)
    _check_files(archive, members, index.sizes, sums)
    return {file.path: file for file in index.files}


def _check_files(
    archive: Iterator[TarMember], members: _Members, sizes: Mapping[str, int], sums: Mapping[str, str]
) -> None:
    """Check that the members after the index are those in it; sources are hashed when they are copied."""
    seen: set[str] = set()
    for member in archive:
        if member.name not in sizes:
            raise InvalidIndex(f"'{member.name}' is not in the index")
        if member.kind is not TarKind.FILE:
            raise InvalidIndex(f"'{member.name}' is not a regular file")
        if member.name in seen:
            raise InvalidIndex(f"'{member.name}' is in it twice")
        if member.size != sizes[member.name]:
            raise InvalidIndex(f"'{member.name}' has {member.size} bytes, but the index lists {sizes[member.name]}")
        is_recipe = member.name.startswith(f"{RECIPES}/")
        if is_recipe and hash_bytes(members.read(_LARGEST_RECIPE_FILE)) != sums[member.name]:
            raise InvalidIndex(f"'{member.name}' does not have the hash in {SUMS}")
        seen.add(member.name)
    for name in sizes:
        if name not in seen:
            raise InvalidIndex(f"'{name}' is in the index, but missing from the bundle")


def _verify(bundle: Path, text: bytes, signature: bytes, public_key: Path, keys: tuple[str, ...]) -> None:
    """Raise SourceError unless the bundle is signed by one of the keys; nothing of it has been read but SHA256SUMS."""
    hint = (
        "get the bundle again from where you trust it, or the public key of the one who signs it; nothing was imported"
    )
    if not signature:
        raise SourceError(
            f"{bundle} is not signed", details={"required": f"a signature by a key in {public_key}"}, hint=hint
        )
    try:
        verify(text, signature, keys)
    except SourceError as error:
        raise SourceError(
            f"{bundle} is not signed by a key in {public_key}", excerpt=error.excerpt, hint=hint
        ) from None
