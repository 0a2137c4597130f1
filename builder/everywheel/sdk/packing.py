"""The archive of an SDK: .tar.gz, or .zip for Windows. Its bytes depend only on names, links, executable bits and contents."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import deflate

from everywheel.execution.cancellation import until_canceled
from everywheel.platforms.target import Target
from everywheel.sdk.contents import Entry, SdkFacts, SdkFile, follow
from everywheel.sdk.documents import write_documents
from everywheel.sdk.packages import make_npm_package, make_wheel, replace_links
from everywheel.store.local import FIXED_TIME
from everywheel.wheels.wheel import pack_wheel
from everywheel.wheels.zip_writer import ZipEntry, pack_zip

_LEVEL = 9  # of libdeflate: 12 is 1 % smaller and takes six times as long


def archive_suffix(target: Target) -> str:
    """Return the suffix of the archive for a target."""
    return ".zip" if target.os == "windows" else ".tar.gz"


def pack_sdk(entries: Mapping[str, Entry], folder: str, target: Target) -> bytes:
    """Return the archive of an SDK, with all files in `folder`; a .zip has copies instead of links."""
    names = sorted(entries)
    if target.os == "windows":
        files = ((name, follow(name, entries)) for name in names)
        zipped = (ZipEntry(name=f"{folder}/{name}", data=f.data, executable=f.executable) for name, f in files)
        return pack_zip(zipped, epoch=FIXED_TIME)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for name in until_canceled(names):
            entry = entries[name]
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.mtime = FIXED_TIME
            if isinstance(entry, SdkFile):
                info.size, info.mode = len(entry.data), 0o755 if entry.executable else 0o644
                new.addfile(info, io.BytesIO(entry.data))
            else:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
                new.addfile(info)
    return bytes(deflate.gzip_compress(packed.getvalue(), _LEVEL))


def pack_all(
    facts: SdkFacts, entries: Mapping[str, Entry], *, wheel: bool = False, npm: bool = False
) -> Iterator[tuple[str, bytes]]:
    """Yield the file name and the content of an SDK's archive, and of its wheel and npm package on request."""
    complete = write_documents(entries, facts)
    yield f"{facts.title}{archive_suffix(facts.target)}", pack_sdk(complete, facts.title, facts.target)
    if wheel or npm:
        files = write_documents(replace_links(entries, facts.target), facts)
    if wheel:
        with TemporaryDirectory() as folder:
            packed = pack_wheel(make_wheel(files, facts), Path(folder), epoch=FIXED_TIME)
            yield packed.name, packed.read_bytes()
    if npm:
        yield make_npm_package(files, facts)
