"""Memory leaks, and MemoryError when memory is exhausted."""

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pictures import CMYK, PHOTO, draw_gradient, write_frames, write_gif, write_gray_png, write_png

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="requires /proc")

is_bundled = pytest.mark.skipif(
    importlib.util.find_spec("webpencode._missing_library") is not None,
    reason="only the bundled libraries have the patch for this",
)
# Settings of glibc's allocator: one arena, so that freed memory of other threads does not look like a leak, and large blocks
# always from the operating system, never from freed memory.
ALLOCATOR = {**os.environ, "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}
COUNT = """
import mmap
def count(column):
    with open("/proc/self/statm") as file:
        return int(file.read().split()[column]) * mmap.PAGESIZE
"""
CALLS = """
import io, sys
from webpencode import WebPEncodeError, decode, encode, encode_many, probe
photo, cmyk, png, gif = [open(path, "rb").read() for path in sys.argv[1:5]]
webp, animation = encode(photo, width=90), encode(gif)
rgb = memoryview(bytes(range(256)) * 90).cast("B", (80, 96, 3))
def fail(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except (TypeError, ValueError):
        return
    raise AssertionError((call, options))
def call_all():
    encode(photo, width=32)                                             # a JPEG shrunk on load
    encode(cmyk, width=20, height=20, fit="cover", keep=())             # colors converted with a profile
    encode(png, lossless=True, effort=0)
    encode(png, width=20, height=30, fit="contain", background=(1, 2, 3))
    encode(webp, height=20)
    encode(gif)
    encode(animation, width=12)
    encode(rgb, effort=0)
    encode(rgb, width=20)
    encode(decode(png), effort=0)
    decode(photo, width=20)
    decode(animation)
    probe(photo)
    probe(gif)
    list(encode_many([png, b"no image"], workers=2, width=9))
    fail(encode, b"no image")
    fail(encode, b"")
    fail(encode, photo[:9000])
    fail(encode, photo[:9000], width=40)
    fail(encode, gif[:-30])
    fail(encode, animation[:-9])
    fail(encode, png, max_pixels=9)
    fail(encode, png, width=0)
    fail(encode, png, quality="high")
    fail(encode, png, unknown=1)
    fail(encode, memoryview(bytes(5)).cast("B", (1, 1, 5)))
    fail(decode, webp[:-20])
    fail(probe, png[:40])
CALLS = 28
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    frames = [[[(x + at) % 3 for x in range(24)] for _ in range(16)] for at in range(3)]
    files = {
        "photo": PHOTO,
        "cmyk": CMYK,
        "png": write_png(draw_gradient(64, 64, alpha=True), alpha=True),
        "gif": write_gif(frames, [(0, 0, 0), (255, 0, 0), (0, 0, 255)]),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def test_ten_thousand_calls_do_not_leak_memory(pictures: list[Path]) -> None:
    # After a thousand calls, all memory pools have reached their final size.
    program = f"""{COUNT}{CALLS}
for _ in range(1000 // CALLS):
    call_all()
before = count(1)
for _ in range(10_000 // CALLS + 1):
    call_all()
print(count(1) - before)
"""
    growth = subprocess.check_output([sys.executable, "-c", program, *pictures], env=ALLOCATOR, timeout=900)

    # If one of the 28 calls leaked an image of 64 x 64 pixels, it would be 6 MB.
    assert int(growth) < 2_000_000


MAPPED = """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
class Statistics(ctypes.Structure):  # of the C library: the fourth of ten numbers is that of mapped blocks
    _fields_ = [(f"number{at}", ctypes.c_int) for at in range(10)]
libc.mallinfo.restype = Statistics
def count_new_mappings():
    before = libc.mallinfo().number3
    assert libc.malloc(300_000)
    return libc.mallinfo().number3 - before
before = count_new_mappings()
call_all()
print(before, count_new_mappings())
"""


@is_bundled
def test_large_blocks_do_not_change_how_the_process_allocates_memory(pictures: list[Path]) -> None:
    ctypes = pytest.importorskip("ctypes", exc_type=ImportError)  # CPython can be built without it
    if not hasattr(ctypes.CDLL(None), "mallinfo"):
        pytest.skip("requires glibc")
    # When glibc has freed a block that it had mapped, it keeps blocks of this size in the heap of each thread: a process
    # with many threads needs more and more memory. The calls allocate blocks of up to a megabyte.
    usual = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

    output = subprocess.check_output([sys.executable, "-c", CALLS + MAPPED, *pictures], env=usual, timeout=300)

    assert output == b"1 1\n"


ANIMATION = """
import sys
from webpencode import encode
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
encode(memoryview(bytes(300)).cast("B", (10, 10, 3)), width=5)
before = peak()
with open(sys.argv[1], "rb") as file:
    encode(file.read(), width=50, effort=0)
print(peak() - before)
"""


def test_an_animation_holds_a_few_frames_and_not_all(tmp_path: Path) -> None:
    # 50 frames of 1000 x 800 pixels: 160 MB as RGBA, or 120 MB as RGB.
    squares = [(1, at * 19, at * 15, 40, 40, 2) for at in range(49)]
    path = tmp_path / "long.gif"
    path.write_bytes(write_frames((1000, 800), [(0, 0, 0, 1000, 800, 1), *squares], [(0, 0, 0), (255, 0, 0)]))

    growth = subprocess.check_output([sys.executable, "-c", ANIMATION, path], env=ALLOCATOR, timeout=300)

    assert int(growth) < 32_000_000


LIMITED = """
import resource, sys
from webpencode import decode, encode
path, spare = sys.argv[1:3]
small = memoryview(bytes(300)).cast("B", (10, 10, 3))
with open(path, "rb") as file:
    png = file.read()
# Allocate what libvips needs only once, and the stacks of its threads, before the limit is set.
encode(small, width=5)
decode(png, width=4000, threads=1)
side = 6000
array = memoryview(mmap.mmap(-1, side * side * 3)).cast("B", (side, side, 3))
limit = count(0) + int(spare)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
calls = {
    "file to pixels": lambda: decode(png, threads=1),
    "file to image": lambda: encode(png, threads=1),
    "file to lossless": lambda: encode(png, lossless=True, effort=0, threads=1),
    "array to image": lambda: encode(array, threads=1),
    "array with libvips": lambda: encode(Planes(array), width=5000, threads=1),
}
class Planes:
    def __init__(self, array):
        self.__array_interface__ = {
            "version": 3, "typestr": "|u1", "shape": (side, side, 3), "strides": (side, 1, side * side),
            "data": memoryview(array).cast("B"),
        }
for name, call in calls.items():
    try:
        call()
        print(name, "succeeded")
    except MemoryError as error:
        print(name, "raised MemoryError", bool(str(error)))
assert encode(small)[:4] == b"RIFF"
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PNG of a hundred kilobytes that is 108 MB as RGB."""
    path = tmp_path_factory.mktemp("large") / "large.png"
    path.write_bytes(write_gray_png(6000, 6000, bits=8))
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is only enforced on Linux")
def test_running_out_of_memory_for_pixels_is_a_memory_error(large: Path) -> None:
    spare = 24_000_000  # enough for small allocations, but not for an image

    done = subprocess.run(
        [sys.executable, "-c", COUNT + LIMITED, large, str(spare)],
        capture_output=True,
        text=True,
        env=ALLOCATOR,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "file to pixels raised MemoryError True",
        "file to image raised MemoryError True",
        "file to lossless raised MemoryError True",
        "array to image raised MemoryError True",
        "array with libvips raised MemoryError True",
    ]


OUTPUT = """
import random, resource, sys
from webpencode import encode
side = 1000
noise = memoryview(random.Random(1).randbytes(side * side * 3)).cast("B", (side, side, 3))
encode(noise[:300], lossless=True, effort=0, threads=1)
start = count(0)
messages = set()
for spare in range(0, 200_000_000, 3_000_000):
    resource.setrlimit(resource.RLIMIT_AS, (start + spare, resource.RLIM_INFINITY))
    try:
        file = encode(noise, lossless=True, effort=0, threads=1)
    except MemoryError as error:
        messages.add(str(error))
    else:
        assert len(file) > 3_000_000
        break
print(*sorted(messages), sep="|")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is only enforced on Linux")
def test_running_out_of_memory_for_the_codec_or_the_file_is_a_memory_error() -> None:
    # Noise does not compress: the file is as large as the pixels. Each limit stops the encoder later than the last one.
    done = subprocess.run(
        [sys.executable, "-c", COUNT + OUTPUT], capture_output=True, text=True, env=ALLOCATOR, timeout=300
    )

    assert done.returncode == 0, done.stderr
    assert {"not enough memory", "not enough memory for the image"} <= set(done.stdout.strip().split("|"))


FIRST_CALL = """
import resource, sys
from webpencode import encode
path, spare = sys.argv[1:3]
with open(path, "rb") as file:
    png = file.read()
resource.setrlimit(resource.RLIMIT_AS, (count(0) + int(spare), resource.RLIM_INFINITY))
try:
    encode(png)
    print("succeeded")
except (MemoryError, RuntimeError) as error:
    print(type(error).__name__)
small = memoryview(bytes(300)).cast("B", (10, 10, 3))
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert encode(small, width=5)[:4] == b"RIFF"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is only enforced on Linux")
@is_bundled
@pytest.mark.parametrize("name", ["large", "photo"])
def test_running_out_of_memory_never_ends_the_process(large: Path, pictures: list[Path], name: str) -> None:
    # The largest limits are those at which glib, without the reserve for its small blocks, ended the process. In the locale
    # C, it converts the descriptions of errors, which needs memory.
    path = large if name == "large" else pictures[0]
    environment = {**os.environ, "LC_ALL": "C.UTF-8" if name == "large" else "C"}

    def run(spare: int) -> tuple[int, str, str]:
        command = [sys.executable, "-c", COUNT + FIRST_CALL, path, str(spare)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        return done.returncode, done.stdout, done.stderr

    with ThreadPoolExecutor(2) as pool:
        results = set(pool.map(run, [*range(0, 24_000_000, 4_000_000), *range(34_000_000, 40_000_000, 500_000)]))

    assert results <= {(0, "succeeded\n", ""), (0, "MemoryError\n", ""), (0, "RuntimeError\n", "")}
    assert len(results) > 1  # with musl, threads need more memory, so that starting them can be all that fails


LOSSY = """
import random, resource
from webpencode import encode
side = 600
noise = memoryview(random.Random(1).randbytes(side * side * 3)).cast("B", (side, side, 3))
encode(noise[:100], quality=100, effort=0, threads=1)
start = count(0)
for spare in range(0, 40_000_000, 100_000):
    resource.setrlimit(resource.RLIMIT_AS, (start + spare, resource.RLIM_INFINITY))
    try:
        encode(noise, quality=100, effort=0, threads=1)
        break
    except MemoryError:
        print("MemoryError")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is only enforced on Linux")
def test_running_out_of_memory_for_the_output_is_a_memory_error() -> None:
    # The limits are close to each other, so that some are reached while the output buffer grows.
    done = subprocess.run(
        [sys.executable, "-c", COUNT + LOSSY], capture_output=True, text=True, env=ALLOCATOR, timeout=300
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "MemoryError" in done.stdout


FRAMES = """
import resource
from webpencode import encode
codes, bits, width, known, left = 0, 0, 3, 6, 16_000_000
def put(code):
    global codes, bits
    codes |= code << bits
    bits += width
put(4)  # clear; codes of ever longer runs of one color follow
for run in range(1, 4090):
    put(0 if run == 1 else 4 + run)
    known += run > 1
    width = min(12, max(width, known.bit_length()))
    left -= run
while left > 0:
    put(4 + run)
    left -= run
put(5)
data = codes.to_bytes(bits // 8 + 1, "little")
blocks = b"".join(bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255))
frame = bytes.fromhex("2c00000000a00fa00f0002") + blocks + bytes(1)
gif = b"GIF89a" + bytes.fromhex("a00fa00f800000000000ffffff") + frame * 2 + b";"
encode(memoryview(bytes(300)).cast("B", (10, 10, 3)), width=5)
start = count(0)
for spare in range(24_000_000, 240_000_000, 12_000_000):
    for animated in (False, True):
        resource.setrlimit(resource.RLIMIT_AS, (start + spare, resource.RLIM_INFINITY))
        try:
            encode(gif, animated=animated, width=9, threads=1)
            print("succeeded")
        except MemoryError as error:
            print("raised MemoryError", bool(str(error)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is only enforced on Linux")
@is_bundled
def test_running_out_of_memory_for_a_frame_of_a_gif_is_a_memory_error() -> None:
    # 64 bytes whose headers describe two frames of 4000 x 4000 pixels, 64 MB each.
    done = subprocess.run(
        [sys.executable, "-c", COUNT + FRAMES], capture_output=True, text=True, env=ALLOCATOR, timeout=300
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.splitlines()) == {"succeeded", "raised MemoryError True"}
