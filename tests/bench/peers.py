"""The jobs of bench_encode.py for each package, as its documentation recommends; unsupported jobs are missing."""

from __future__ import annotations

import io
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[Any], int]
"""A function that runs a job once on bytes or an array and returns the size of the result in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a job: seconds, processor seconds of all threads together, and bytes of the result."""

    wall: float
    processor: float
    size: int


WIDTH, QUALITY, EFFORT = 800, 75, 4
JOBS = ("thumbnail", "area", "file", "array", "graphic", "icon", "icon-jpeg", "animation")


def webpencode_jobs() -> dict[str, Work]:
    import webpencode

    return {
        "thumbnail": lambda data: len(webpencode.encode(data, width=WIDTH)),
        "area": lambda data: len(webpencode.encode(data, width=WIDTH, filter="area")),
        "file": lambda data: len(webpencode.encode(data)),
        "array": lambda data: len(webpencode.encode(data)),
        "graphic": lambda data: len(webpencode.encode(data, lossless=True)),
        "icon": lambda data: len(webpencode.encode(data)),
        "icon-jpeg": lambda data: len(webpencode.encode(data)),
        "animation": lambda data: len(webpencode.encode(data)),
    }


def pillow_jobs() -> dict[str, Work]:
    from PIL import Image

    def save(image: Image.Image, **options: Any) -> int:
        out = io.BytesIO()
        image.save(out, "WEBP", **{"quality": QUALITY, "method": EFFORT, **options})
        return out.tell()

    def thumbnail(data: bytes, resample: Image.Resampling) -> int:
        image = Image.open(io.BytesIO(data))
        image.thumbnail((WIDTH, 1 << 20), resample)
        return save(image)

    return {
        "thumbnail": lambda data: thumbnail(data, Image.Resampling.LANCZOS),
        "area": lambda data: thumbnail(data, Image.Resampling.BOX),
        "file": lambda data: save(Image.open(io.BytesIO(data))),
        "array": lambda data: save(Image.fromarray(data)),
        "graphic": lambda data: save(Image.open(io.BytesIO(data)), lossless=True),
        "icon": lambda data: save(Image.open(io.BytesIO(data))),
        "icon-jpeg": lambda data: save(Image.open(io.BytesIO(data))),
        "animation": lambda data: save(Image.open(io.BytesIO(data)), save_all=True),
    }


def pyvips_jobs() -> dict[str, Work]:
    import pyvips

    def save(image: Any, **options: Any) -> int:
        return len(image.webpsave_buffer(**{"Q": QUALITY, "effort": EFFORT, **options}))

    def load(data: bytes, options: str = "") -> Any:
        return pyvips.Image.new_from_buffer(data, options, access="sequential")

    return {
        "thumbnail": lambda data: save(pyvips.Image.thumbnail_buffer(data, WIDTH, size="down")),
        "file": lambda data: save(load(data)),
        "array": lambda data: save(pyvips.Image.new_from_array(data)),
        "graphic": lambda data: save(load(data), lossless=True),
        "icon": lambda data: save(load(data)),
        "icon-jpeg": lambda data: save(load(data)),
        "animation": lambda data: save(load(data, "n=-1")),
    }


def opencv_jobs() -> dict[str, Work]:
    import cv2
    from PIL import Image

    options = [cv2.IMWRITE_WEBP_QUALITY, QUALITY]

    def load(data: bytes, flags: int = cv2.IMREAD_COLOR) -> Any:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)

    def save(image: Any, quality: list[int] = options) -> int:
        return len(cv2.imencode(".webp", image, quality)[1])

    reduced = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))

    def thumbnail(data: bytes) -> int:
        # With OpenCV, the caller chooses the factor by which a JPEG is shrunk on load.
        width = Image.open(io.BytesIO(data)).width
        image = load(data, next((flag for by, flag in reduced if width >= by * WIDTH), cv2.IMREAD_COLOR))
        height = round(image.shape[0] * WIDTH / image.shape[1])
        return save(cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA))

    # No thumbnail with Lanczos: INTER_LANCZOS4 does not average when it shrinks.
    return {
        "area": thumbnail,
        "file": lambda data: save(load(data)),
        "array": lambda data: save(data[..., ::-1]),
        "graphic": lambda data: save(load(data, cv2.IMREAD_UNCHANGED), [cv2.IMWRITE_WEBP_QUALITY, 101]),
        "icon": lambda data: save(load(data, cv2.IMREAD_UNCHANGED)),
        "icon-jpeg": lambda data: save(load(data)),
    }


def webp_jobs() -> dict[str, Work]:
    import webp

    config = webp.WebPConfig.new(quality=QUALITY, method=EFFORT)
    return {"array": lambda data: len(webp.WebPPicture.from_numpy(data).encode(config).buffer())}


class Sharp:
    """A Node process with the npm package sharp, which runs one job per line of input."""

    def __init__(self, folder: Path) -> None:
        script = folder / "sharp.mjs"
        script.write_bytes(Path(__file__).with_name("sharp.mjs").read_bytes())
        self._process = subprocess.Popen(
            ["node", script], cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, job: str, path: Path, times: int, raw: dict[str, int] | None = None) -> Run:
        """Run a job on a file several times."""
        result = self._run(job, path, times, raw)
        return Run(wall=result["seconds"], processor=result["processor"], size=result["bytes"])

    def measure_peak(self, job: str, path: Path) -> int:
        """Run a job on a file; return the largest amount of memory of the process so far, in bytes."""
        return int(self._run(job, path, 1, None)["peak"]) * 1024

    def _run(self, job: str, path: Path, times: int, raw: dict[str, int] | None) -> Any:
        name = {"graphic": "lossless", "icon": "file", "icon-jpeg": "file"}.get(job, job)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"job": name, "path": str(path), "raw": raw, "times": times}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(work: Work, data: Any, times: int) -> Run:
    """Run a job several times."""
    began, spent = time.perf_counter(), time.process_time()
    for _ in range(times):
        size = work(data)
    return Run(wall=(time.perf_counter() - began) / times, processor=(time.process_time() - spent) / times, size=size)


PEERS: dict[str, Callable[[], dict[str, Work]]] = {
    "webpencode": webpencode_jobs,
    "Pillow": pillow_jobs,
    "pyvips": pyvips_jobs,
    "opencv": opencv_jobs,
    "webp": webp_jobs,
}
