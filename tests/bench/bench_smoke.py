"""Measure `everywheel smoke`: its overhead over a wheel's own tests, and the time of a whole matrix.

    nox -s bench -- smoke                 both
    nox -s bench -- smoke one             only one wheel on one image

The wheels are those in wheelhouse/. Images and test dependencies are prepared first and not measured.
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

from everywheel.containers.native_arches import is_native
from everywheel.smoke.matrix_entries import wheel_target

ROOT = Path(__file__).parents[2]
IMAGES = ("debian-11", "debian-12", "debian-13", "debian-unstable", "musl")
ROUNDS = 5


def smoke(wheels: list[Path], images: tuple[str, ...]) -> tuple[float, list[dict[str, Any]]]:
    """Test wheels on images; return the wall time of the whole command in seconds, and the results."""
    options = [option for name in images for option in ("--image", name)]
    began = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-m", "everywheel", "smoke", "--offline", "--json", *map(str, wheels), *options],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if process.returncode != 0:
        sys.exit(f"smoke failed:\n{process.stderr}")
    return seconds, json.loads(process.stdout)


def prepare(wheels: list[Path]) -> None:
    """Run the matrix once, so that images and test dependencies are prepared."""
    options = [option for name in IMAGES for option in ("--image", name)]
    subprocess.run([sys.executable, "-m", "everywheel", "smoke", *map(str, wheels), *options], cwd=ROOT, check=True)


def measure_one(wheels: list[Path]) -> None:
    wheel = next(path for path in wheels if (target := wheel_target(path)).libc == "glibc" and is_native(target.arch))
    rounds = [smoke([wheel], ("debian-12",)) for _ in range(ROUNDS)]
    whole = statistics.median(seconds for seconds, _ in rounds)
    tests = statistics.median(results[0]["test_seconds"] for _, results in rounds)
    print(
        f"one wheel on one prepared image (median of {ROUNDS}): {whole:.1f} s for the whole command, "
        f"{tests:.1f} s for the wheel's tests, {whole - tests:.1f} s of overhead"
    )


def measure_matrix(wheels: list[Path]) -> None:
    seconds, results = smoke(wheels, IMAGES)
    emulated = [result for result in results if result["emulated"]]
    images = {(result["image"], result["arch"]) for result in results}
    print(
        f"{len(wheels)} wheels on {len(images)} prepared images, {len(results)} smoke tests, {len(emulated)} through QEMU: "
        f"{seconds:.0f} s"
    )
    for result in sorted(results, key=lambda result: -result["seconds"]):
        print(
            f"  {result['image']:<16} {result['arch']:<8} {result['seconds']:6.1f} s, tests {result['test_seconds']:.1f} s"
        )
    for image in IMAGES:
        seconds_by_emulation = {
            result["emulated"]: result["test_seconds"] for result in results if result["image"] == image
        }
        if len(seconds_by_emulation) == 2:
            ratio = seconds_by_emulation[True] / seconds_by_emulation[False]
            print(f"  tests on {image}: QEMU needs {ratio:.1f} times the time of the processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], "one", "matrix"], metavar="one|matrix")
    parts = parser.parse_args().parts or ["one", "matrix"]
    wheels = sorted((ROOT / "wheelhouse").glob("*-abi3-*linux*.whl"))
    if not wheels:
        sys.exit("wheelhouse/ is empty: `nox -s build-all` first")
    prepare(wheels)
    if "one" in parts:
        measure_one(wheels)
    if "matrix" in parts:
        measure_matrix(wheels)


if __name__ == "__main__":
    main()
