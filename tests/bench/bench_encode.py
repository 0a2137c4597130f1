"""Measure webpencode beside its peers, all in one run on the same images; prints figures and ratios, judges nothing.

    nox -s bench-encode                          everything
    nox -s bench-encode -- file array            only these jobs
    nox -s bench-encode -- --photo my.jpg        other photographs

The wheel in wheelhouse/ for this machine is what is measured. `libwebp` is no peer: it is the encoding alone, of pixels
that were ready before, and nobody who calls libwebp with these settings gets below that. Nor are `processes` one: they are
webpencode's, one for each core, and share nothing. The photographs and graphics come from Debian's package mate-backgrounds;
sharp is taken from npm where Node is there. Peers do each job as their documentation advises, with quality 75 and libwebp's
effort 4, and may use every processor.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import webpencode
from peers import JOBS, PEERS, WIDTH, Sharp, Work, measure
from PIL import Image

PACKAGE = "mate-backgrounds"
PHOTOS = ("nature/Garden.jpg", "abstract/Elephants_5640x3172.jpg")
GRAPHIC = "desktop/Stripes.png"
OURS = "webpencode"
FLOOR = "libwebp"
PROCESSES = "processes"
GOALS = {"thumbnail": 0.9, "file": 1.0, "array": 1.0}
ICON_GOAL, IMPORT_GOAL, CORES_GOAL = 0.5, 0.5, 1.9
MANY_GOALS = {"thumbnail": 1.1, "file": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What a job works on: bytes or an array, the same as a file, and how often it is done in a round."""

    data: Any
    path: Path
    times: int = 1


def fetch_package(folder: Path) -> Path:
    """Download and unpack the package with the images, unless it is there already; return where its images are."""
    unpacked = folder / PACKAGE
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", PACKAGE], cwd=folder, check=True)
        package = next(folder.glob(f"{PACKAGE}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
    return unpacked / "usr/share/backgrounds/mate"


def make_photo_inputs(photo: Path, folder: Path) -> dict[str, Input]:
    """Make the inputs of those jobs that take a photograph."""
    array = np.asarray(Image.open(photo).convert("RGB"))
    (folder / "array").write_bytes(array.tobytes())
    jpeg = photo.read_bytes()
    return {
        "thumbnail": Input(data=jpeg, path=photo, times=3),
        "file": Input(data=jpeg, path=photo),
        "array": Input(data=array, path=folder / "array"),
    }


def make_graphic_inputs(graphic: Path, folder: Path) -> dict[str, Input]:
    """Make the inputs of the other jobs out of a graphic."""
    clear = Image.open(graphic).convert("RGBA").resize((1600, 900))
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    icon = clear.resize((64, 64))
    moving = [clear.convert("RGB").resize((320, 180)).rotate(6 * at) for at in range(12)]
    files = {"graphic.png": io.BytesIO(), "icon.png": io.BytesIO(), "animation.gif": io.BytesIO()}
    clear.save(files["graphic.png"], "PNG")
    icon.save(files["icon.png"], "PNG")
    moving[0].save(files["animation.gif"], "GIF", save_all=True, append_images=moving[1:], duration=80, loop=0)
    for name, file in files.items():
        (folder / name).write_bytes(file.getvalue())
    return {
        "graphic": Input(data=files["graphic.png"].getvalue(), path=folder / "graphic.png"),
        "icon": Input(data=files["icon.png"].getvalue(), path=folder / "icon.png", times=100),
        "animation": Input(data=files["animation.gif"].getvalue(), path=folder / "animation.gif"),
    }


def start_sharp(folder: Path) -> Sharp | None:
    """Install sharp and start its process; None where there is no Node."""
    if shutil.which("npm") is None:
        print("sharp: there is no npm here")
        return None
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / "sharp").exists():
        subprocess.run(["npm", "install", "--silent", "--no-fund", "--prefix", folder, "sharp"], check=True)
    return Sharp(folder)


def bench_job(job: str, given: Input, peers: dict[str, dict[str, Work]], sharp: Sharp | None, rounds: int) -> None:
    """Let every peer do a job in turn, some rounds, and print medians and their ratios."""
    seconds: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    pixels = None
    if job in ("thumbnail", "file", "graphic", "icon"):
        pixels = np.asarray(webpencode.decode(given.data, **({"width": WIDTH} if job == "thumbnail" else {})))
    for _ in range(rounds):
        if pixels is not None:
            work = peers[OURS]["graphic" if job == "graphic" else "array"]
            spent, sizes[FLOOR] = measure(work, pixels, given.times)
            seconds.setdefault(FLOOR, []).append(spent)
        for name, works in peers.items():
            if job in works:
                spent, sizes[name] = measure(works[job], given.data, given.times)
                seconds.setdefault(name, []).append(spent)
        if sharp is not None:
            raw = None
            if job == "array":
                raw = dict(zip(("height", "width", "channels"), given.data.shape, strict=True))
            spent, sizes["sharp"] = sharp.run(job, given.path, given.times, raw)
            seconds.setdefault("sharp", []).append(spent)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    best = min((name for name in medians if name not in (OURS, FLOOR)), key=lambda name: medians[name])
    goal = f" (goal {GOALS[job]:.2f})" if job in GOALS else ""
    if job == "icon":
        goal = f"; {medians[OURS] / medians['Pillow']:.2f} of Pillow (goal {ICON_GOAL:.2f})"
    print(f"{job}: {medians[OURS] / medians[best]:.2f} of the best peer, {best}{goal}")
    for name, value in sorted(medians.items(), key=lambda item: item[1]):
        spread = (max(seconds[name]) - min(seconds[name])) / value
        print(f"  {name:<11} {value * 1000:9.2f} ms (spread {spread:.0%}) {sizes[name]:>9} bytes")


def bench_import(rounds: int) -> None:
    """Start interpreters that import each package and nothing else."""
    modules = {
        OURS: "webpencode",
        "Pillow": "PIL.Image",
        "pyvips": "pyvips",
        "opencv": "cv2",
        "webp": "webp",
        "none": "sys",
    }
    seconds: dict[str, list[float]] = {name: [] for name in modules}
    for _ in range(rounds * 3):
        for name, module in modules.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    own = {name: value - medians["none"] for name, value in medians.items() if name != "none"}
    print(f"import: {own[OURS] / own['pyvips']:.2f} of pyvips (goal {IMPORT_GOAL:.2f}), beyond the interpreter's start")
    for name, value in sorted(own.items(), key=lambda item: item[1]):
        print(f"  {name:<11} {value * 1000:9.2f} ms")


APART = """
import sys, webpencode
data, (count, *options) = open(sys.argv[1], "rb").read(), map(int, sys.argv[2:])
width = options[0] if options else None
webpencode.encode(data, width=width, threads=1)
for line in sys.stdin:
    for _ in range(count):
        webpencode.encode(data, width=width, threads=1)
    print(flush=True)
"""


@contextmanager
def start_apart(path: Path, count: int, options: dict[str, int]) -> Iterator[Callable[[], float]]:
    """Start a process for each core that knows nothing of the others; give what has them encode and returns seconds.

    What a machine gains from a second core when nothing at all is shared but its caches and its memory.
    """
    cores = os.cpu_count() or 1
    words = [sys.executable, "-c", APART, str(path), str(count // cores), *map(str, options.values())]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, bufsize=1) for _ in range(cores)]

    def run() -> float:
        began = time.perf_counter()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "\n"
        return time.perf_counter() - began

    run()
    yield run
    for process in running:
        process.communicate()


def bench_many(inputs: dict[str, Input], peers: dict[str, dict[str, Work]], rounds: int) -> None:
    """Encode many on all cores: encode_many() against itself on one core and against peers in a pool of threads."""
    cores = os.cpu_count() or 1
    for job, count in (("thumbnail", 16), ("file", 4)):
        data = [inputs[job].data] * count
        options: dict[str, Any] = {"width": 800} if job == "thumbnail" else {}
        seconds: dict[str, list[float]] = {}
        with start_apart(inputs[job].path, count, options) as run_apart:
            for _ in range(rounds):
                for workers in (1, cores):
                    began = time.perf_counter()
                    results = webpencode.encode_many(data, workers=workers, **options)
                    assert sum(isinstance(one, bytes) for one in results) == count
                    seconds.setdefault(f"{OURS}, {workers}", []).append(time.perf_counter() - began)
                seconds.setdefault(PROCESSES, []).append(run_apart())
                for name, works in peers.items():
                    if name == OURS or job not in works:
                        continue
                    began = time.perf_counter()
                    with ThreadPoolExecutor(cores) as pool:
                        list(pool.map(works[job], data))
                    seconds.setdefault(name, []).append(time.perf_counter() - began)
        medians = {name: count / statistics.median(values) for name, values in seconds.items()}
        ours, single = medians[f"{OURS}, {cores}"], medians[f"{OURS}, 1"]
        others = [name for name in medians if name != PROCESSES and not name.startswith(OURS)]
        best = max(others, key=lambda name: medians[name])
        print(
            f"many, {job}: {ours / single:.2f} times one core (goal {CORES_GOAL:.2f}; "
            f"processes that share nothing {medians[PROCESSES] / single:.2f}), "
            f"{ours / medians[best]:.2f} times the best peer, {best} (goal {MANY_GOALS[job]:.2f})"
        )
        for name, value in sorted(medians.items(), key=lambda item: -item[1]):
            print(f"  {name:<14} {value:8.2f} images a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", choices=[[], *JOBS, "import", "many"])
    parser.add_argument("--photo", type=Path, action="append")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "webpencode-bench")
    arguments = parser.parse_args()
    chosen = arguments.jobs or [*JOBS, "import", "many"]
    package = fetch_package(arguments.folder)
    photos = arguments.photo or [package / name for name in PHOTOS]
    print(webpencode.versions())
    peers = {name: make() for name, make in PEERS.items()}
    sharp = start_sharp(arguments.folder / "node")
    for photo in photos:
        inputs = make_photo_inputs(photo, arguments.folder)
        print(f"{photo.name}, {inputs['array'].data.shape[1]} x {inputs['array'].data.shape[0]}")
        for job, given in inputs.items():
            if job in chosen:
                bench_job(job, given, peers, sharp, arguments.rounds)
    for job, given in make_graphic_inputs(package / GRAPHIC, arguments.folder).items():
        if job in chosen:
            bench_job(job, given, peers, sharp, arguments.rounds)
    if "import" in chosen:
        bench_import(arguments.rounds)
    if "many" in chosen:
        bench_many(make_photo_inputs(photos[0], arguments.folder), peers, max(3, arguments.rounds // 3))
    if sharp is not None:
        sharp.close()


if __name__ == "__main__":
    main()
