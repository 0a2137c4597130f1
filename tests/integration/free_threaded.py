"""Build a free-threaded CPython and run webpencode's tests on it.

    python tests/integration/free_threaded.py WORK_DIR [zig-JOB] [PYTEST ARGUMENT]...

With the name of a job, its wheel in jobs/ is tested; otherwise the wheel is built first. Run by `nox -s free-threaded`.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def find_wheel(job: str) -> Path:
    """Return the free-threaded wheel of a job; without a job, build one for this machine."""
    machine = platform.machine()
    if job:
        folder, pattern = ROOT / "jobs" / job, f"webpencode-*-cp314t-manylinux*_{machine}.whl"
    else:
        subprocess.run(["everywheel", "build", "--target", f"manylinux2014_{machine}"], check=True, cwd=ROOT)
        folder, pattern = ROOT / "wheelhouse", f"webpencode-*-cp314t-manylinux2014_{machine}.whl"
    (wheel,) = folder.glob(pattern)
    return wheel


def install(wheel: Path, folder: Path) -> None:
    """Install a wheel and pytest into a directory with the pip of this Python: the built one has no ssl module."""
    shutil.rmtree(folder, ignore_errors=True)
    platforms = [arg for tag in wheel.stem.rpartition("-")[2].split(".") for arg in ("--platform", tag)]
    tags = ["--implementation", "cp", "--python-version", "3.14", "--abi", "cp314t", *platforms]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, "--only-binary", ":all:"]
    subprocess.run([*pip, *tags, "pytest", wheel], check=True)


def main(work_dir: str, *args: str) -> int:
    """Run the script and return the exit code of pytest."""
    job, pytest_args = (args[0], args[1:]) if args and args[0].startswith("zig-") else ("", args)
    prefix, site = Path(work_dir).absolute() / "python", Path(work_dir).absolute() / "site"
    subprocess.run(["everywheel", "deps", "python-freethreaded", "--prefix", prefix], check=True, cwd=ROOT)
    install(find_wheel(job), site)
    # Not the folder of all runs, whose remains are warnings, and thus errors.
    own = Path(work_dir).absolute() / "pytest"
    options = ["-p", "no:cacheprovider", "--basetemp", own]
    command: Sequence[str | Path] = [prefix / "bin" / "python3.14t", "-m", "pytest", *options]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    result = subprocess.run(
        [*command, "extension/tests", *pytest_args], cwd=ROOT, env={**environment, "PYTHONPATH": str(site)}
    )
    return result.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
