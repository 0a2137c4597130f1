"""Compare the speed of webpencode with that of other packages, in one run on the same images; prints times and ratios.

    nox -s bench-encode                          everything
    nox -s bench-encode -- file array            only these jobs
    nox -s bench-encode -- --photo my.jpg        other photographs
    nox -s bench-encode -- --json results.json   also write all times as JSON
    nox -s bench-encode -- --docs docs           also write the table of docs/performance.md, and the plots next to it
    nox -s bench-encode -- --docs docs --results results.json    write them from times that were measured before

Measures the wheel for this machine in wheelhouse/. `libwebp` is not a package, but the time for encoding pixels that were
decoded before: the lower bound for any user of libwebp with these settings. `processes` are independent processes of
webpencode, one per core. The photographs and graphics come from the Debian package mate-backgrounds; sharp is installed with
npm if available. Each package does a job as its documentation recommends, with quality 75 and effort 4 of libwebp, and may
use all processors. Packages are compared by processor time, which other programs on the machine hardly change; `area` is a
thumbnail with the mean of pixels, `thumbnail` one with Lanczos.
"""

from __future__ import annotations

import argparse
import importlib.metadata
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
from peers import JOBS, PEERS, WIDTH, Run, Sharp, Work, measure
from PIL import Image
from results import LOWER_BOUND, WEBPENCODE, Results, Row, load_results, save_results, write_docs

PACKAGE = "mate-backgrounds"
PHOTOS = ("nature/Garden.jpg", "abstract/Elephants_5640x3172.jpg")
GRAPHIC = "desktop/Stripes.png"
LARGE = 8_000_000
"""Number of pixels from which the thumbnail of a photograph has a lower goal."""

PROCESSES = "processes"
GOAL, LARGE_THUMBNAIL_GOAL, IMPORT_GOAL, CORES_GOAL = 1.0, 0.85, 0.5, 1.85
MANY_GOALS = {"thumbnail": 1.1, "file": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The input of a job: bytes or an array, the same data as a file, and the number of repetitions per round."""

    data: Any
    path: Path
    times: int = 1


def fetch_package(folder: Path) -> Path:
    """Download and unpack the package with the images, unless it exists; return the directory of its images."""
    unpacked = folder / PACKAGE
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", PACKAGE], cwd=folder, check=True)
        package = next(folder.glob(f"{PACKAGE}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
    return unpacked / "usr/share/backgrounds/mate"


def make_photo_inputs(photo: Path, folder: Path) -> dict[str, Input]:
    """Return the inputs of the jobs with a photograph."""
    array = np.asarray(Image.open(photo).convert("RGB"))
    (folder / "array").write_bytes(array.tobytes())
    jpeg = photo.read_bytes()
    times = 1 if array.shape[0] * array.shape[1] >= LARGE else 3
    return {
        "thumbnail": Input(data=jpeg, path=photo, times=times),
        "area": Input(data=jpeg, path=photo, times=times),
        "file": Input(data=jpeg, path=photo),
        "array": Input(data=array, path=folder / "array"),
    }


def make_graphic_inputs(graphic: Path, folder: Path) -> dict[str, Input]:
    """Return the inputs of the other jobs, created from a graphic."""
    transparent = Image.open(graphic).convert("RGBA").resize((1600, 900))
    transparent.putalpha(Image.linear_gradient("L").resize(transparent.size))
    icon = transparent.resize((64, 64))
    frames = [transparent.convert("RGB").resize((320, 180)).rotate(6 * at) for at in range(12)]
    files = {
        "graphic.png": io.BytesIO(),
        "icon.png": io.BytesIO(),
        "icon.jpg": io.BytesIO(),
        "animation.gif": io.BytesIO(),
    }
    transparent.save(files["graphic.png"], "PNG")
    icon.save(files["icon.png"], "PNG")
    icon.convert("RGB").save(files["icon.jpg"], "JPEG", quality=90)
    frames[0].save(files["animation.gif"], "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
    for name, file in files.items():
        (folder / name).write_bytes(file.getvalue())
    return {
        "graphic": Input(data=files["graphic.png"].getvalue(), path=folder / "graphic.png"),
        "icon": Input(data=files["icon.png"].getvalue(), path=folder / "icon.png", times=100),
        "icon-jpeg": Input(data=files["icon.jpg"].getvalue(), path=folder / "icon.jpg", times=100),
        "animation": Input(data=files["animation.gif"].getvalue(), path=folder / "animation.gif"),
    }


def start_sharp(folder: Path) -> Sharp | None:
    """Install sharp and start its process; return None if npm is not available."""
    if shutil.which("npm") is None:
        print("sharp: not measured, npm is not available")
        return None
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / "sharp").exists():
        subprocess.run(["npm", "install", "--silent", "--no-fund", "--prefix", folder, "sharp"], check=True)
    return Sharp(folder)


def decode_pixels(job: str, data: Any) -> Any:
    """Return the pixels that libwebp encodes in a job; None if they are the input, or several frames."""
    if job in ("array", "animation"):
        return None
    options: dict[str, Any] = {}
    if job in ("thumbnail", "area"):
        options = {"width": WIDTH, "filter": "area" if job == "area" else "lanczos3"}
    return np.asarray(webpencode.decode(data, **options))


def run_job(
    job: str, job_input: Input, peers: dict[str, dict[str, Work]], sharp: Sharp | None, rounds: int, label: str
) -> Row:
    """Run a job with every package in turn for some rounds."""
    runs: dict[str, list[Run]] = {}
    pixels = decode_pixels(job, job_input.data)
    for _ in range(rounds):
        if pixels is not None:
            work = peers[WEBPENCODE]["graphic" if job == "graphic" else "array"]
            runs.setdefault(LOWER_BOUND, []).append(measure(work, pixels, job_input.times))
        for name, works in peers.items():
            if job in works:
                runs.setdefault(name, []).append(measure(works[job], job_input.data, job_input.times))
        # sharp has no filter that takes means.
        if sharp is not None and job != "area":
            raw = None
            if job == "array":
                raw = dict(zip(("height", "width", "channels"), job_input.data.shape, strict=True))
            runs.setdefault("sharp", []).append(sharp.run(job, job_input.path, job_input.times, raw))
    return Row(
        job=label,
        processor={name: [run.processor for run in values] for name, values in runs.items()},
        wall={name: [run.wall for run in values] for name, values in runs.items()},
        sizes={name: values[-1].size for name, values in runs.items()},
    )


def print_row(row: Row, goal: float) -> None:
    """Print medians and ratios."""
    best = row.find_best()
    print(
        f"{row.job}: {row.compare(best):.2f} of the processor time of the fastest other package, {best} (goal {goal:.2f})"
    )
    medians = {name: statistics.median(values) for name, values in row.processor.items()}
    for name, value in sorted(medians.items(), key=lambda item: item[1]):
        wall = statistics.median(row.wall[name])
        spread = (max(row.processor[name]) - min(row.processor[name])) / value
        print(
            f"  {name:<11} {value * 1000:9.2f} ms (spread {spread:.0%}), {wall * 1000:9.2f} ms elapsed, "
            f"{row.sizes[name]:>9} bytes, ratio {row.compare(name):.2f}",
            flush=True,
        )


def bench_import(rounds: int) -> None:
    """Measure the time to import each package in a new interpreter."""
    modules = {
        WEBPENCODE: "webpencode",
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
    print(
        f"import: {own[WEBPENCODE] / own['pyvips']:.2f} of pyvips (goal {IMPORT_GOAL:.2f}), "
        "without the start of the interpreter"
    )
    for name, value in sorted(own.items(), key=lambda item: item[1]):
        print(f"  {name:<11} {value * 1000:9.2f} ms")


WORKER = """
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
def start_processes(path: Path, count: int, options: dict[str, int]) -> Iterator[Callable[[], float]]:
    """Start an independent process per core; yield a function that makes all of them encode and returns the seconds.

    This is the best possible speed: the processes share only caches and memory bandwidth.
    """
    cores = os.cpu_count() or 1
    command = [sys.executable, "-c", WORKER, str(path), str(count // cores), *map(str, options.values())]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1) for _ in range(cores)]

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
    """Compare encode_many() on all cores with one core, and with other packages in a pool of threads."""
    cores = os.cpu_count() or 1
    for job, count in (("thumbnail", 16), ("file", 4)):
        data = [inputs[job].data] * count
        options: dict[str, Any] = {"width": 800} if job == "thumbnail" else {}
        seconds: dict[str, list[float]] = {}
        with start_processes(inputs[job].path, count, options) as run_processes:
            for _ in range(rounds):
                for workers in (1, cores):
                    began = time.perf_counter()
                    results = webpencode.encode_many(data, workers=workers, **options)
                    assert sum(isinstance(result, bytes) for result in results) == count
                    seconds.setdefault(f"{WEBPENCODE}, {workers}", []).append(time.perf_counter() - began)
                seconds.setdefault(PROCESSES, []).append(run_processes())
                for name, works in peers.items():
                    if name == WEBPENCODE or job not in works:
                        continue
                    began = time.perf_counter()
                    with ThreadPoolExecutor(cores) as pool:
                        list(pool.map(works[job], data))
                    seconds.setdefault(name, []).append(time.perf_counter() - began)
        medians = {name: count / statistics.median(values) for name, values in seconds.items()}
        ours, single = medians[f"{WEBPENCODE}, {cores}"], medians[f"{WEBPENCODE}, 1"]
        others = [name for name in medians if name != PROCESSES and not name.startswith(WEBPENCODE)]
        best = max(others, key=lambda name: medians[name])
        print(
            f"many, {job}: {ours / single:.2f} times one core (goal {CORES_GOAL:.2f}; "
            f"independent processes {medians[PROCESSES] / single:.2f}), "
            f"{ours / medians[best]:.2f} times the fastest other package, {best} (goal {MANY_GOALS[job]:.2f})"
        )
        for name, value in sorted(medians.items(), key=lambda item: -item[1]):
            print(f"  {name:<14} {value:8.2f} images per second")


PEAK = """
import sys
from pathlib import Path
from peers import PEERS
PEERS[sys.argv[1]]()["animation"](Path(sys.argv[2]).read_bytes())
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def make_long_animation(folder: Path) -> Path:
    """Write a GIF with a small moving square; all frames together have 184 million pixels."""
    path = folder / "long.gif"
    frames = [Image.new("RGB", (1000, 800), (0, 96, 160)) for _ in range(230)]
    for at, frame in enumerate(frames):
        frame.paste((255, 200, 0), (4 * at, 3 * at, 4 * at + 40, 3 * at + 40))
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:], duration=40, loop=0)
    return path


def bench_memory(folder: Path) -> None:
    """Measure the largest amount of memory of a new process that encodes a long animation."""
    path = make_long_animation(folder)
    peaks: dict[str, int] = {}
    for name in (WEBPENCODE, "Pillow", "pyvips"):
        command = [sys.executable, "-c", PEAK, name, str(path)]
        done = subprocess.run(command, cwd=Path(__file__).parent, check=True, stdout=subprocess.PIPE)
        peaks[name] = int(done.stdout) * 1024
    sharp = start_sharp(folder / "node")
    if sharp is not None:
        peaks["sharp"] = sharp.measure_peak("animation", path)
        sharp.close()
    best = min((name for name in peaks if name != WEBPENCODE), key=lambda name: peaks[name])
    print(f"memory: {peaks[WEBPENCODE] / peaks[best]:.2f} of the best other package, {best}")
    for name, value in sorted(peaks.items(), key=lambda item: item[1]):
        print(f"  {name:<11} {value / 1e6:9.0f} MB")


def find_versions() -> dict[str, str]:
    """Return the versions of the packages in this environment, and of the libraries of webpencode."""
    packages = ("Pillow", "pyvips-binary", "opencv-python-headless", "webp")
    return {**webpencode.versions(), **{name: importlib.metadata.version(name) for name in packages}}


def run_jobs(arguments: argparse.Namespace, jobs: list[str], peers: dict[str, dict[str, Work]]) -> list[Row]:
    """Run the jobs on the photographs and graphics; print and return their rows."""
    package = fetch_package(arguments.folder)
    photos = arguments.photo or [package / name for name in PHOTOS]
    sharp = start_sharp(arguments.folder / "node")
    rows = []
    for photo in photos:
        inputs = make_photo_inputs(photo, arguments.folder)
        height, width = inputs["array"].data.shape[:2]
        for job in [job for job in inputs if job in jobs]:
            label = f"{job}, {width} x {height}"
            rows.append(run_job(job, inputs[job], peers, sharp, arguments.rounds, label))
            is_large = job in ("thumbnail", "area") and width * height >= LARGE
            print_row(rows[-1], LARGE_THUMBNAIL_GOAL if is_large else GOAL)
    inputs = make_graphic_inputs(package / GRAPHIC, arguments.folder)
    for job in [job for job in inputs if job in jobs]:
        rows.append(run_job(job, inputs[job], peers, sharp, arguments.rounds, job))
        print_row(rows[-1], GOAL)
    if sharp is not None:
        sharp.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", choices=[[], *JOBS, "import", "many", "memory"])
    parser.add_argument("--photo", type=Path, action="append")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "webpencode-bench")
    parser.add_argument("--json", type=Path, help="file for all times")
    parser.add_argument("--docs", type=Path, help="directory of performance.md, for the table and the plots")
    parser.add_argument("--results", type=Path, help="file of an earlier --json, from which --docs is written")
    arguments = parser.parse_args()
    if arguments.results is not None:
        if arguments.docs is None:
            parser.error("--results requires --docs")
        write_docs(load_results(arguments.results), arguments.docs)
        return
    jobs = arguments.jobs or [*JOBS, "import", "many", "memory"]
    peers = {name: make() for name, make in PEERS.items()}
    rows = run_jobs(arguments, jobs, peers)
    results = Results(versions=find_versions(), processors=os.cpu_count() or 1, rows=rows)
    print(results.versions)
    if arguments.json is not None:
        save_results(results, arguments.json)
    if arguments.docs is not None:
        write_docs(results, arguments.docs)
    if "import" in jobs:
        bench_import(arguments.rounds)
    if "many" in jobs:
        photo = (arguments.photo or [fetch_package(arguments.folder) / PHOTOS[0]])[0]
        bench_many(make_photo_inputs(photo, arguments.folder), peers, max(3, arguments.rounds // 3))
    if "memory" in jobs:
        bench_memory(arguments.folder)


if __name__ == "__main__":
    main()
