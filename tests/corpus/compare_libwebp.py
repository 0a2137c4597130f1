"""Comparison with libwebp's own tools: webpinfo checks the structure, webpmux lists the frames, dwebp decodes the pixels."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from differences import Difference, Kind, Peer
from pillow_frames import read_facts, read_frames

TOOLS = ("dwebp", "webpinfo", "webpmux")


def find_missing_tools() -> list[str]:
    """Return the tools that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def compare_with_libwebp(name: str, webp: bytes) -> Iterator[Difference]:
    """Yield the differences between what the tools and Pillow read from an encoded file."""

    def report(kind: Kind, detail: str) -> Difference:
        return Difference(picture=name, peer=Peer.LIBWEBP, kind=kind, detail=detail)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoded.webp"
        path.write_bytes(webp)
        checked = subprocess.run(["webpinfo", "-quiet", path], capture_output=True, text=True, check=False)
        if checked.returncode != 0:
            yield report(Kind.STRUCTURE, " ".join(checked.stderr.split()) or "webpinfo fails")
        facts = read_facts(webp)
        if facts.frames == 1:
            if b"ANIM" in webp[12:60]:
                yield report(Kind.FRAMES, "a still picture in a file for animations")
                return
            samples = _run("dwebp", path, "-quiet", "-pam", "-o", "-").partition(b"ENDHDR\n")[2]
            if samples != next(read_frames(webp)).pixels.tobytes():
                yield report(Kind.PIXELS, "dwebp decodes other pixels")
            return
        listed = _run("webpmux", "-info", path).decode()
        frames = int((re.search(r"Number of frames: (\d+)", listed) or [0, 1])[1])
        plays = int((re.search(r"Loop Count : (\d+)", listed) or [0, 1])[1])
        if (frames, plays) != (facts.frames, facts.plays):
            yield report(Kind.FRAMES, f"webpmux: {frames} frames, plays {plays} times")


def _run(*command: str | Path) -> bytes:
    return subprocess.run(command, capture_output=True, check=False).stdout
