"""webpencode writes the same bytes as a C program that calls libwebp with the same pixels and settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from everywheel.store.local import default_store
from everywheel.toolchains.build_tools import ensure_tools
from root_filesystems import REPOSITORY, call

PRESETS = ("default", "picture", "photo", "drawing", "icon", "text")
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"quality": 30},
    {"quality": 92, "effort": 6},
    {"effort": 0},
    {"alpha_quality": 40},
    {"sharp_yuv": 1},
    {"target_size": 3000},
    {"lossless": 1},
    {"lossless": 1, "quality": 100, "effort": 5},
    {"near_lossless": 60},
    *({"preset": preset, "quality": 60} for preset in PRESETS),
)
# Options for an animation with frames of 100 ms; it plays once unless `loop` is set.
ANIMATION_OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"quality": 30, "effort": 6},
    {"lossless": 1},
    {"near_lossless": 40},
    {"sharp_yuv": 1},
    {"loop": 7},
)
# Programs for the environment with the wheel: they write the samples of each picture to a file, and the picture encoded
# with each entry of the options.
ENCODE_PICTURES = """
import json, random, sys
from pathlib import Path
from webpencode import decode, encode
tests, options = Path(sys.argv[1]), json.loads(sys.argv[2])
sys.path.insert(0, str(tests))
from pictures import PHOTO, draw_gradient, draw_noise
pictures = {"photo": memoryview(decode(PHOTO)).tolist(), "gradient": draw_gradient(301, 227, alpha=True)}
pictures["noise"] = [[(*pixel[:3], 255 * ((x + y) % 3 > 0)) for x, pixel in enumerate(row)]
                     for y, row in enumerate(draw_noise(83, 61))]
sizes = {}
for name, rows in pictures.items():
    samples = bytes(sample for row in rows for pixel in row for sample in pixel)
    sizes[name] = len(rows[0]), len(rows), len(rows[0][0])
    Path(name).write_bytes(samples)
    for number, encode_options in enumerate(options):
        array = memoryview(samples).cast("B", (len(rows), len(rows[0]), len(rows[0][0])))
        Path(f"{name}-{number}.webp").write_bytes(encode(array, **encode_options))
print(json.dumps(sizes))
"""
ENCODE_ANIMATION = """
import json, sys
from pathlib import Path
from webpencode import encode
tests, options = Path(sys.argv[1]), json.loads(sys.argv[2])
sys.path.insert(0, str(tests))
from pictures import write_gif
colors = [(color * 37 % 256, color * 91 % 256, color * 53 % 256) for color in range(100)]
frames = [[[(x * y + 9 * number * (x > 30)) % 100 for x in range(70)] for y in range(50)] for number in range(5)]
Path("frames").write_bytes(bytes(sample for rows in frames for row in rows for color in row for sample in colors[color]))
for number, encode_options in enumerate(options):
    Path(f"frames-{number}.webp").write_bytes(encode(write_gif(frames, colors), **encode_options))
print(json.dumps([len(frames[0][0]), len(frames[0]), 3, len(frames)]))
"""

pytestmark = pytest.mark.xdist_group("reference_encoder")


@pytest.fixture(scope="module")
def python(wheels: dict[str, Path], machine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment = tmp_path_factory.mktemp("webpencode") / "environment"
    call([sys.executable, "-m", "venv", environment])
    python = environment / "bin" / "python"
    call([python, "-m", "pip", "install", "-q", "--no-index", wheels[f"manylinux2014_{machine}"]])
    return python


@pytest.fixture(scope="module")
def reference(machine: str, tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """The command of reference_encoder.c, linked with libwebp as the wheel's recipe builds it."""
    folder = tmp_path_factory.mktemp("reference")
    tag, prefix = f"manylinux2014_{machine}", folder / "prefix"
    call([sys.executable, "-m", "everywheel", "deps", "libwebp", "-t", tag, "--prefix", prefix], cwd=REPOSITORY)
    tools = ensure_tools(default_store().absolute())
    program = folder / "reference"
    call(
        [
            tools.zig,
            "cc",
            "-target",
            f"{machine}-linux-gnu.2.17",
            "-O1",
            f"-I{prefix / 'include'}",
            Path(__file__).with_name("reference_encoder.c"),
            f"-L{prefix / 'lib'}",
            "-lwebpmux",
            "-lwebp",
            "-lsharpyuv",
            "-o",
            program,
        ]
    )
    return ["env", f"LD_LIBRARY_PATH={prefix / 'lib'}", program]


def test_pictures_have_the_same_bytes_as_from_libwebp(
    python: Path, reference: list[str | Path], tmp_path: Path
) -> None:
    output = call(
        [python, "-c", ENCODE_PICTURES, REPOSITORY / "extension" / "tests", json.dumps(OPTIONS)], cwd=tmp_path
    )
    differences = []
    for name, (width, height, bands) in json.loads(output).items():
        for index, options in enumerate(OPTIONS):
            values = {**options, "preset": PRESETS.index(options.get("preset", "default"))}
            args = [f"{option}={value}" for option, value in values.items()]
            call([*reference, name, str(width), str(height), str(bands), "reference.webp", *args], cwd=tmp_path)
            if (tmp_path / "reference.webp").read_bytes() != (tmp_path / f"{name}-{index}.webp").read_bytes():
                differences.append((name, options))

    assert differences == []


def test_animations_have_the_same_bytes_as_from_libwebp(
    python: Path, reference: list[str | Path], tmp_path: Path
) -> None:
    output = call(
        [python, "-c", ENCODE_ANIMATION, REPOSITORY / "extension" / "tests", json.dumps(ANIMATION_OPTIONS)],
        cwd=tmp_path,
    )
    width, height, bands, frames = json.loads(output)
    differences = []
    for index, options in enumerate(ANIMATION_OPTIONS):
        args = [f"{option}={number}" for option, number in {"loop": 1, **options, "frames": frames}.items()]
        call([*reference, "frames", str(width), str(height), str(bands), "reference.webp", *args], cwd=tmp_path)
        if (tmp_path / "reference.webp").read_bytes() != (tmp_path / f"frames-{index}.webp").read_bytes():
            differences.append(options)

    assert differences == []
