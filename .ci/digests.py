#!/usr/bin/env python3
"""Pass the hashes of artifacts from the jobs that made them to the jobs that use them.

`digests.py write [--name NAME] ARTIFACT=PATH...` appends to $GITHUB_OUTPUT one output for each artifact, `digests-<artifact>`,
or `digests-<name>` for an entry of a matrix, whose jobs need outputs of different names. An output has the lines of sha256sum,
with paths that begin with the name of the artifact.

`digests.py check FOLDER [ARTIFACT]...` compares the artifacts in a folder, by default all, with the outputs of the needed
jobs: $NEEDS has the context `needs` as JSON. It uses the standard library only, and runs before everything else.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def main(args: Sequence[str]) -> None:
    """Run the script."""
    match args:
        case ["write", "--name", name, artifact]:
            write(f"digests-{name}", artifact)
        case ["write", artifact, *others]:
            for each in (artifact, *others):
                write(f"digests-{each.partition('=')[0]}", each)
        case ["check", folder, *artifacts]:
            check(Path(folder), artifacts)
        case _:
            sys.exit(f"usage: {(__doc__ or '').partition('`')[2].partition('`')[0]}, or check FOLDER [ARTIFACT]...")


def write(output: str, artifact: str) -> None:
    """Append one output to the outputs of a workflow's step."""
    name, _, path = artifact.partition("=")
    lines = [f"{digest}  {name}/{file}" for file, digest in hash_files(Path(path))]
    if not lines:
        sys.exit(f"error: artifact {name} has no files\n  path: {path}")
    print("\n".join(lines))
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8", newline="\n") as file:
        file.write("\n".join([f"{output}<<END-OF-DIGESTS", *lines, "END-OF-DIGESTS", ""]))


def check(folder: Path, artifacts: Sequence[str]) -> None:
    """Exit with an error unless each artifact in a folder has the files of the job that made it, and no others."""
    expected = read_digests(json.loads(os.environ["NEEDS"]))
    names = artifacts or sorted(path.name for path in folder.iterdir())
    present = {f"{name}/{file}": digest for name in names for file, digest in hash_files(folder / name)}
    wanted = {path: digest for path, digest in expected.items() if path.partition("/")[0] in names}
    problems = [f"{path}: missing" for path in sorted(wanted.keys() - present.keys())]
    problems += [f"{path}: no job has passed a hash for it" for path in sorted(present.keys() - wanted.keys())]
    problems += [
        f"{path}: sha256 {present[path]}, but its job made {wanted[path]}"
        for path in sorted(present.keys() & wanted.keys())
        if present[path] != wanted[path]
    ]
    problems += [f"{name}: no such artifact" for name in names if not (folder / name).is_dir()]
    if problems or not names:
        lines = [f"  | {problem}" for problem in problems or [f"no artifacts in {folder}"]]
        hint = "  hint: find out what changed the artifact between the jobs; do not use its files"
        sys.exit("\n".join(["error: artifacts differ from those that earlier jobs made", *lines, hint]))
    print(f"{len(present)} files in {', '.join(names)}: as their jobs made them")


def read_digests(needs: dict[str, dict[str, dict[str, str]]]) -> dict[str, str]:
    """Return the hash of each file by its path, from the outputs of the needed jobs; two jobs never make one file."""
    digests: dict[str, str] = {}
    for job in needs.values():
        for name, value in job["outputs"].items():
            for line in value.splitlines() if name.startswith("digests-") else ():
                match = LINE.fullmatch(line)
                if match is None or digests.setdefault(match[2], match[1]) != match[1]:
                    sys.exit(f"error: output {name} has a line without a hash, or a second hash of a file: {line!r}")
    return digests


def hash_files(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the sha256 of each file in a folder, or of a file, which has only its name."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.is_symlink():
            sys.exit(f"error: {file} is a symbolic link, which artifacts do not have")
        if file.is_file():
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            yield name, hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1:])
