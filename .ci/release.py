#!/usr/bin/env python3
"""Make a release, or rehearse it: `release.py 1.2.0`, `release.py --dry-run [SMOKE OPTION]...`; run by `nox -s release`.

`release.py --patch` makes the next post-release of the last release, with updated pins of its libraries.

`release.py collect [CHECK OPTION]...` copies the release from jobs/ to dist/, as `everywheel release check` does, and checks
it with twine, check-wheel-contents, abi3audit and pydistcheck; run by `nox -s collect`. Statements are copied to statements/.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIGS = ("pyproject.toml", "changes/webpencode.toml")
CHANGELOGS = tuple(arg for config in CONFIGS for arg in ("--changelog", config))
# Images with a portable Python, with their own Python, and without glibc.
IMAGES = ("--image", "debian-12", "--image", "debian-unstable", "--image", "musl")


def run(*command: str) -> None:
    """Print a command and run it; its failure ends the script."""
    print("+", *command, flush=True)
    subprocess.run(command, check=True, cwd=ROOT)


def main(args: Sequence[str]) -> None:
    """Run the script."""
    if args[:1] == ["collect"]:
        collect(args[1:])
        return
    dry_run, others = "--dry-run" in args, [arg for arg in args if arg != "--dry-run"]
    if (dry_run and others and not others[0].startswith("-")) or (not dry_run and len(others) != 1):
        sys.exit(
            "name the version, as in `nox -s release -- 1.2.0`, or run `nox -s release -- --patch` or `-- --dry-run`"
        )
    check_machine()
    if dry_run:
        run("everywheel", "release", "prepare", "--dry-run", *CHANGELOGS)
        build_dist()
        run("everywheel", "release", "rehearse", "dist", *IMAGES, *others)
    else:
        make_release(others[0])


def collect(args: Sequence[str]) -> None:
    """Check that jobs/ has the files of every job, and copy the release to dist/."""
    others = sorted(path for name in ("sources", "sdk") for path in (ROOT / "jobs" / name).glob("*"))
    include = [arg for path in others for arg in ("--include", str(path))]
    layout = [] if any(arg.startswith("--layout") for arg in args) else ["--layout", "all"]
    run("everywheel", "release", "check", "jobs", "--output-dir", "dist", *CHANGELOGS, *layout, *include, *args)
    check_dist()
    write_vex()
    collect_statements()


def write_vex() -> None:
    """Write the document about the vulnerabilities of the wheels in dist/ to vex/; the workflow attaches it."""
    name = Path(list_dist("*.whl")[0]).name.partition("-")[0]
    (ROOT / "vex").mkdir(exist_ok=True)
    run("everywheel", "vex", "dist", "--output", f"vex/{name}.openvex.json")


def collect_statements() -> None:
    """Copy the statements about the wheels in dist/ from jobs/ to statements/, and verify the wheels with them.

    Signatures are those of the next job. Wheels without smoke tests, such as those for macOS, have no results of them.
    """
    statements = ROOT / "statements"
    shutil.rmtree(statements, ignore_errors=True)
    statements.mkdir()
    for wheel in list_dist("*.whl"):
        name = Path(wheel).name
        files = [file for suffix in ("provenance", "smoke") for file in (ROOT / "jobs").glob(f"*/{name}.{suffix}.json")]
        options = ["--without", "smoke", "--without", "signature"]
        for file in files:
            copy = shutil.copyfile(file, statements / file.name)
            options += [f"--{file.suffixes[-2].removeprefix('.')}", str(copy.relative_to(ROOT))]
        run("everywheel", "verify", wheel, "--sums", "SHA256SUMS", *options)


def check_machine() -> None:
    """Check that this machine can run the smoke tests, which start after an hour of building."""
    # With --dry-run, this command only connects to the container runtime.
    subprocess.run(["everywheel", "images", "prune", "--dry-run"], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    if shutil.which("wine") is None:
        sys.exit("Wine is not installed; it runs the wheels for Windows (Debian: `apt-get install wine wine64`)")


def make_release(version: str) -> None:
    """Prepare, build, test and tag a release; abort the release if a step fails."""
    run("everywheel", "release", "prepare", version, *CHANGELOGS)
    try:
        matrix = subprocess.run(["everywheel", "matrix", "--json"], check=True, stdout=subprocess.PIPE, cwd=ROOT)
        normalized_version = json.loads(matrix.stdout)["version"]
        for config in CONFIGS:
            run("towncrier", "build", "--yes", "--version", normalized_version, "--dir", ".", "--config", config)
        build_dist()
        run("everywheel", "smoke", *list_dist("*.whl"), "--require-run")
        run("everywheel", "release", "record", "dist")
        write_vex()
        run("everywheel", "release", "tag")
    except BaseException:
        run("everywheel", "release", "abort")
        raise


def build_dist() -> None:
    """Build all files of a release, copy them to dist/ and check them."""
    run("everywheel", "build", "--targets", "release")
    run("everywheel", "sdist")
    run("everywheel", "release", "check", "wheelhouse", "--output-dir", "dist", *CHANGELOGS)
    check_dist()


def check_dist() -> None:
    """Check the files in dist/ with twine, check-wheel-contents, abi3audit and pydistcheck."""
    wheels, sdists = list_dist("*.whl"), list_dist("*.tar.gz")
    run("twine", "check", "--strict", *wheels, *sdists)
    run("check-wheel-contents", *wheels)
    # Not those tagged abi3.abi3t: abi3audit 0.0.26 does not know the export hook of PEP 793, but the audit of a build does.
    run("abi3audit", "--strict", "--summary", *list_dist("*-abi3-*.whl"))
    run("pydistcheck", *wheels, *sdists)


def list_dist(pattern: str) -> list[str]:
    """Return the files in dist/ that match a pattern, relative to the root of the project."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "dist").glob(pattern))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
