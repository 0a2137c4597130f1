"""Measure smoke: what it costs beyond a wheel's own tests, and the whole matrix; prints figures, judges nothing.

    nox -s bench-smoke                     both
    nox -s bench-smoke -- one              only one wheel on one image

The wheels are those in wheelhouse/. Images and what lies beside the wheels are prepared first, and not measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from everywheel.containers.runtime import is_native
from everywheel.smoke.matrix_entries import wheel_target

ROOT = Path(__file__).parents[2]
IMAGES = ("debian-11", "debian-12", "debian-13", "debian-unstable", "musl")
ROUNDS = 5


def smoke(wheels: list[Path], images: tuple[str, ...]) -> tuple[float, list[dict[str, Any]]]:
    """Smoke wheels on images; return wall seconds of the whole command, and the cells."""
    words = [word for name in images for word in ("--image", name)]
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "everywheel", "smoke", "--offline", "--json", *map(str, wheels), *words],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if ended.returncode != 0:
        sys.exit(f"smoke failed:\n{ended.stderr}")
    return seconds, json.loads(ended.stdout)


def prepare(wheels: list[Path]) -> None:
    words = [word for name in IMAGES for word in ("--image", name)]
    subprocess.run([sys.executable, "-m", "everywheel", "smoke", *map(str, wheels), *words], cwd=ROOT, check=True)


def measure_one(wheels: list[Path]) -> None:
    wheel = next(path for path in wheels if (target := wheel_target(path)).libc == "glibc" and is_native(target.arch))
    rounds = [smoke([wheel], ("debian-12",)) for _ in range(ROUNDS)]
    whole = statistics.median(seconds for seconds, _ in rounds)
    tests = statistics.median(cells[0]["test_seconds"] for _, cells in rounds)
    print(
        f"one wheel on one prepared image (median of {ROUNDS}): {whole:.1f} s for the whole command, "
        f"{tests:.1f} s of it the wheel's tests, {whole - tests:.1f} s beyond them"
    )


def measure_matrix(wheels: list[Path]) -> None:
    seconds, cells = smoke(wheels, IMAGES)
    slow = [cell for cell in cells if cell["emulated"]]
    images = {(cell["image"], cell["arch"]) for cell in cells}
    print(
        f"{len(wheels)} wheels on {len(images)} prepared images, {len(cells)} cells, {len(slow)} through QEMU: "
        f"{seconds:.0f} s"
    )
    for cell in sorted(cells, key=lambda cell: -cell["seconds"]):
        print(f"  {cell['image']:<16} {cell['arch']:<8} {cell['seconds']:6.1f} s, tests {cell['test_seconds']:.1f} s")
    for image in IMAGES:
        pair = {cell["emulated"]: cell["test_seconds"] for cell in cells if cell["image"] == image}
        if len(pair) == 2:
            print(f"  tests on {image}: QEMU takes {pair[True] / pair[False]:.1f} times as long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], "one", "matrix"], metavar="one|matrix")
    chosen = parser.parse_args().what or ["one", "matrix"]
    wheels = sorted((ROOT / "wheelhouse").glob("*-abi3-*linux*.whl"))
    if not wheels:
        sys.exit("wheelhouse/ is empty: `nox -s build-all` first")
    prepare(wheels)
    if "one" in chosen:
        measure_one(wheels)
    if "matrix" in chosen:
        measure_matrix(wheels)


if __name__ == "__main__":
    main()
