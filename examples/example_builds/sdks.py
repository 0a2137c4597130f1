"""The SDKs that the programs are linked to."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

from example_builds.commands import ExampleError, run
from example_builds.shapes import EXAMPLES


def find_sdk(folder: Path, tag: str) -> Path:
    """Return the SDK for a target in a folder of SDKs; build and unpack it if there is none."""
    for manifest in sorted(folder.glob("*/sdk.json")):
        if json.loads(manifest.read_text())["target"] == tag:
            return manifest.parent
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "everywheel",
        "sdk",
        "libvips",
        "--target",
        tag,
        "--output-dir",
        folder,
    ]
    output = run(command, cwd=EXAMPLES.parent, env=os.environ)
    match = re.search(r"^(\S.*\.(?:tar\.gz|zip)): ", output, re.MULTILINE)
    if match is None:
        raise ExampleError(f"everywheel sdk names no archive:\n{output}")
    archive = EXAMPLES.parent / match[1]
    shutil.unpack_archive(archive, folder)
    return check_sdk(folder / re.sub(r"\.(tar\.gz|zip)$", "", archive.name), tag)


def check_sdk(folder: Path, tag: str) -> Path:
    """Return the folder of an SDK; raise ExampleError if it is not one, not complete, or for another target."""
    try:
        manifest = json.loads((folder / "sdk.json").read_text())
    except FileNotFoundError:
        raise ExampleError(
            f"{folder} is not an SDK: it has no sdk.json. Pass the folder that the archive contains"
        ) from None
    if (target := manifest["target"]) != tag:
        hint = f"Build one: everywheel sdk libvips -t {tag}"
        raise ExampleError(f"the SDK in {folder} is for {target}, not for {tag}. {hint}")
    for name in manifest.get("files", {}):
        if not (folder / name).is_file():
            raise ExampleError(f"the SDK in {folder} is not complete: {name} is missing. Unpack its archive again")
    return folder
