#!/usr/bin/env python3
"""Build the last release again and compare it with its record; run by `nox -s rebuild-release`.

The last release is the newest version in releases/. Its tag is cloned into a folder of its own, and built there with an empty
store by its own sessions; `everywheel release check --tag` compares the hashes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).parents[1]
SKIPPED = 10
"""The exit code if no release is recorded."""


def find_last_release(root: Path) -> str | None:
    """Return the newest version that has a record, None if there is none."""
    versions = sorted((path.parent.name for path in root.glob("releases/*/SHA256SUMS")), key=Version)
    return versions[-1] if versions else None


def main(root: Path = ROOT) -> int:
    """Run the script; return the exit code of the first command that fails."""
    version = find_last_release(root)
    if version is None:
        print("no release is recorded in releases/")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="rebuild-release-") as name:
        clone, tag = Path(name) / "project", f"v{version}"
        # In a container, the checkout belongs to another user, whose repositories git refuses.
        trust = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        environment = {**os.environ, **trust, "EVERYWHEEL_STORE": str(Path(name) / "store")}
        nox = [sys.executable, "-m", "nox", "--session"]
        for command in (
            ["git", "clone", "--quiet", "--branch", tag, root.as_uri(), str(clone)],
            [*nox, "build-all", "--", "--targets", "release", "--no-remote"],
            [*nox, "everywheel", "--", "sdist"],
            [*nox, "everywheel", "--", "release", "check", "wheelhouse", "--tag", tag],
        ):
            print("+", *command, flush=True)
            cwd = clone if clone.exists() else root
            if code := subprocess.run(command, cwd=cwd, env=environment, check=False).returncode:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT))
