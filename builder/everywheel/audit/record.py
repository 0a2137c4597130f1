"""The check of RECORD: every file is listed with its hash and size."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.wheels.wheel import encode_digest

_HASHES = ("sha256", "sha384", "sha512")  # the binary distribution format requires sha256 or stronger


def check_record(contents: WheelContents) -> Iterator[Finding]:
    """Find files that RECORD does not list, lists with another hash or size, or lists although they are missing."""
    wheel = contents.wheel
    record = f"{wheel.dist_info}/RECORD"
    if record not in wheel.files:
        return
    try:
        rows = [row for row in csv.reader(io.StringIO(wheel.files[record].data.decode())) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        yield Finding(check="record", file=record, message=f"not a valid CSV table: {error}")
        return
    names = [row[0] for row in rows]
    for file in sorted({name for name, count in Counter(names).items() if count > 1}):
        yield Finding(check="record", file=file, message="listed more than once in RECORD")
    hashes = {row[0]: row[1] if len(row) > 1 else "" for row in rows}
    sizes = {row[0]: row[2] for row in rows if len(row) > 2}
    for file in sorted(set(wheel.files) | set(hashes)):
        if file in (record, f"{record}.jws", f"{record}.p7s"):
            continue
        if file not in hashes:
            yield Finding(check="record", file=file, message="not listed in RECORD")
        elif file not in wheel.files:
            yield Finding(check="record", file=file, message="listed in RECORD, but missing from the wheel")
        else:
            data = wheel.files[file].data
            findings = list(_check_hash(file, data, hashes[file]))
            size = str(len(data))
            if not findings and sizes.get(file, size) not in ("", size):
                message = f"has {size} bytes, but RECORD lists {sizes[file]}"
                findings = [Finding(check="record", file=file, message=message)]
            yield from findings


def _check_hash(file: str, data: bytes, recorded: str) -> Iterator[Finding]:
    algorithm, _, digest = recorded.partition("=")
    if algorithm not in _HASHES:
        message = f"RECORD has no sha256 for this file, only '{recorded}'"
        yield Finding(check="record", file=file, message=message)
        return
    actual = encode_digest(hashlib.new(algorithm, data).digest())
    if actual != digest.rstrip("="):
        evidence = (f"RECORD: {algorithm}={digest}", f"file:   {algorithm}={actual}")
        yield Finding(check="record", file=file, message="the hash differs from the one in RECORD", evidence=evidence)
