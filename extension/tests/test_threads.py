"""encode() with threads, sub-interpreters and fork()."""

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pictures import CMYK, PHOTO, draw_gradient, draw_noise, write_gif, write_gray_png, write_png
from webpencode import WebPEncodeError, decode, encode, probe

PALETTE = [(0, 0, 0), (255, 0, 0), (0, 0, 255)]
SLOW = write_png(draw_noise(400, 400))


def run_python(program: str) -> str:
    """Run a program in a new interpreter, for at most a minute, and return its output."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_several_threads_give_the_same_results_as_one() -> None:
    widths = [20 + 10 * at for at in range(12)]
    expected = [encode(PHOTO, width=width) for width in widths]

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda width: encode(PHOTO, width=width), widths * 5))

    assert results == expected * 5


def test_every_failing_thread_gets_an_error_message() -> None:
    cut = PHOTO[: len(PHOTO) // 2]

    def encode_or_message(data: bytes) -> bytes | str:
        try:
            return encode(data, width=50)
        except WebPEncodeError as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(encode_or_message, [PHOTO, b"no image", cut] * 60))

    assert results[0::3] == [encode(PHOTO, width=50)] * 60
    assert all(isinstance(message, str) and ": " in message for message in results[1::3] + results[2::3])


def find_error(call: Callable[[bytes], Any], data: bytes) -> type[WebPEncodeError] | None:
    try:
        call(data)
    except WebPEncodeError as error:
        return type(error)
    return None


def test_many_threads_with_all_calls_give_the_same_results_as_one() -> None:
    gif = write_gif([[[(x + at) % 3 for x in range(24)] for _ in range(16)] for at in range(3)], PALETTE)
    png = write_png(draw_gradient(64, 48, alpha=True), alpha=True)
    rgb = memoryview(bytes(range(256)) * 90).cast("B", (80, 96, 3))
    calls: list[Callable[[], Any]] = [
        lambda: encode(PHOTO, width=40),
        lambda: encode(CMYK, keep=(), effort=0),
        lambda: encode(gif),
        lambda: encode(png, lossless=True, effort=0),
        lambda: encode(rgb, width=9, height=9, fit="cover"),
        lambda: encode(rgb, effort=0),
        lambda: bytes(memoryview(decode(PHOTO, width=40))),
        lambda: probe(gif),
        lambda: find_error(encode, PHOTO[:9000]),
        lambda: find_error(decode, b"no image"),
    ]
    expected = [call() for call in calls]
    mismatches = []

    def call_repeatedly(start: int) -> None:
        for step in range(30):
            at = (start + step) % len(calls)
            if calls[at]() != expected[at]:
                mismatches.append(at)

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(call_repeatedly, range(24)))

    assert mismatches == []


@pytest.fixture
def small_stacks() -> Iterator[None]:
    """Create threads with the default stack size of musl, 128 KiB."""
    before = threading.stack_size(128 * 1024)
    yield
    threading.stack_size(before)


@pytest.mark.parametrize("threads", [1, 16])
@pytest.mark.parametrize(
    "options", [{"width": 1500}, {"width": 1500, "keep": (), "lossless": True, "effort": 0}], ids=str
)
def test_a_large_image_is_encoded_by_many_threads_with_small_stacks(
    small_stacks: None, threads: int, options: dict[str, Any]
) -> None:
    large = write_gray_png(6000, 4000, bits=8)
    expected = encode(large, threads=1, **options)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: encode(large, threads=threads, **options), range(8)))

    assert results == [expected] * 8


NO_THREADS = """
import os, resource, sys
from webpencode import decode, encode
with open(sys.argv[1], "rb") as file:
    png = file.read()
array = memoryview(bytes(range(256)) * 1200).cast("B", (320, 320, 3))
expected = encode(array, threads=1)
if os.geteuid() == 0:
    os.setuid(65534)  # root is not limited
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
for call in (lambda: decode(png, threads=1), lambda: encode(png)):
    try:
        call()
    except RuntimeError as error:
        print(str(error).split(":")[1].strip())
assert encode(array) == expected, "an array needs no second thread"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_NPROC limits threads only on Linux")
@pytest.mark.skipif(
    importlib.util.find_spec("webpencode._missing_library") is not None,
    reason="only the bundled libvips has the patch for this",
)
def test_a_thread_that_cannot_be_started_is_a_runtime_error(tmp_path: Path) -> None:
    (tmp_path / "noise.png").write_bytes(SLOW)

    done = subprocess.run(
        [sys.executable, "-c", NO_THREADS, tmp_path / "noise.png"], capture_output=True, text=True, timeout=120
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["Error creating thread"] * 2


def test_other_threads_run_while_libvips_works() -> None:
    span: list[float] = []

    def work() -> None:
        span[:] = [time.perf_counter()]
        encode(SLOW, lossless=True)
        span.append(time.perf_counter())

    highest = 0
    for _ in range(20):  # retried, because on a busy machine no other thread may run in so short a time
        thread = threading.Thread(target=work)
        ticks = []
        thread.start()
        while thread.is_alive():
            ticks.append(time.perf_counter())
            time.sleep(0.001)
        thread.join()
        begin, end = span
        middle = [tick for tick in ticks if begin + (end - begin) * 0.2 < tick < begin + (end - begin) * 0.8]
        highest = max(highest, len(middle))
        if highest >= 3:
            break

    assert highest >= 3


def test_the_input_cannot_be_resized_while_libvips_reads_it() -> None:
    data = bytearray(SLOW)
    rejected = 0

    for _ in range(20):  # retried, because on a busy machine the thread may end before this one runs
        thread = threading.Thread(target=encode, args=(data,), kwargs={"lossless": True})
        thread.start()
        while thread.is_alive():
            try:
                data.append(0)
            except BufferError:
                rejected += 1
            time.sleep(0.001)
        thread.join()
        if rejected:
            break

    assert rejected > 0
    data.clear()


@pytest.mark.parametrize("outcome", ["good", "bad"])
def test_the_input_is_released_afterwards(outcome: str) -> None:
    data = bytearray(PHOTO if outcome == "good" else PHOTO[:5000])

    try:
        encode(data)
    except WebPEncodeError:
        assert outcome == "bad"

    data.clear()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork()")
def test_encoding_after_fork_fails_immediately() -> None:
    program = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import webpencode
png = {png!r}
webpencode.encode(png, width=4)
child = os.fork()
if child == 0:
    try:
        webpencode.encode(png, width=4)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
webpencode.encode(png, width=4)
"""

    output = run_python(program.format(png=write_png(draw_noise(8, 8))))

    assert output == (
        "libvips cannot be used after fork(): this process was forked from one that had used it already; "
        "use the 'spawn' or 'forkserver' start method of multiprocessing\n"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork()")
def test_arrays_can_be_encoded_after_fork() -> None:
    program = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import webpencode
clear = memoryview(bytes(range(48))).cast("B", (3, 4, 4))
options = {{"background": (1, 2, 3)}}
webpencode.encode({png!r})
expected = [webpencode.encode(clear), webpencode.encode(clear, **options)]
child = os.fork()
if child == 0:
    os._exit([webpencode.encode(clear), webpencode.encode(clear, **options)] != expected)
assert os.waitpid(child, 0)[1] == 0
"""

    assert run_python(program.format(png=write_png(draw_noise(8, 8)))) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork()")
def test_fork_before_the_first_call_is_supported() -> None:
    program = """
import os
import webpencode
png = {png!r}
child = os.fork()
if child == 0:
    os._exit(webpencode.encode(png)[:4] != b"RIFF")
assert os.waitpid(child, 0)[1] == 0
webpencode.encode(png)
"""

    assert run_python(program.format(png=write_png(draw_noise(8, 8)))) == ""


# A private module, whose name is another one before Python 3.13.
IMPORT_INTERPRETERS = """
import importlib
try:
    interpreters = importlib.import_module("_interpreters")
except ImportError:
    interpreters = importlib.import_module("_xxsubinterpreters")
"""


def test_sub_interpreters_work() -> None:
    program = (
        IMPORT_INTERPRETERS
        + """
import webpencode
png = {png!r}
code = "import webpencode; assert webpencode.encode(" + repr(png) + ")[:4] == b'RIFF'"
for _ in range(3):
    interpreter = interpreters.create()
    failure = interpreters.run_string(interpreter, code)
    assert failure is None, failure
    interpreters.destroy(interpreter)
assert webpencode.encode(png)[:4] == b"RIFF"
print("done")
"""
    )

    assert run_python(program.format(png=write_png(draw_noise(8, 8)))) == "done\n"


def test_sub_interpreters_encode_at_the_same_time() -> None:
    program = (
        IMPORT_INTERPRETERS
        + """
import threading
import webpencode
png = {png!r}
encoded, pixels = webpencode.encode(png), bytes(memoryview(webpencode.decode(png)))
code = f'''
import webpencode
for _ in range(20):
    assert webpencode.encode({{png!r}}) == {{encoded!r}}
    assert bytes(memoryview(webpencode.decode({{png!r}}))) == {{pixels!r}}
    try:
        webpencode.encode(b"no image")
    except webpencode.UnsupportedFormatError as error:
        assert str(error)
    else:
        raise AssertionError
'''
ended = []
def work():
    for _ in range(3):
        interpreter = interpreters.create()
        ended.append(interpreters.run_string(interpreter, code))
        interpreters.destroy(interpreter)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(ended == [None] * 12 or ended)
"""
    )

    assert run_python(program.format(png=write_png(draw_noise(8, 8)))) == "True\n"


def test_importing_does_not_change_the_environment() -> None:
    program = """
import os, subprocess, sys
def list_names():
    program = "import os; print(*sorted(os.environ))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
before = list_names()
import webpencode
assert list_names() == before, list_names()
"""

    assert run_python(program) == ""
