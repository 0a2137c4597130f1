"""Calls from many threads on shared objects, in parallel on a free-threaded interpreter."""

import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pictures import PHOTO, draw_gradient, write_gif, write_png
from test_threads import run_python
from webpencode import WebPEncodeError, decode, encode, encode_many, formats, probe

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
THREADS = 8
SECONDS = float(os.environ.get("WEBPENCODE_STRESS", "3"))
"""Duration of each stress test."""

HEIGHT, WIDTH = 40, 60
PNG = write_png(draw_gradient(64, 48))
GIF = write_gif([[[at % 128] * 24 for at in range(16)], [[5] * 24] * 16], [(at, 0, 255 - at) for at in range(128)])


class SharedArray:
    """An array whose interface is a single dict that all threads share."""

    def __init__(self, samples: bytearray) -> None:
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (HEIGHT, WIDTH, 3),
            "data": samples,
            "strides": None,
        }


def stress(*jobs: Callable[[], object], background: Callable[[], object] | None = None) -> Counter[str]:
    """Call the jobs in turn in several threads for SECONDS, and `background` in another thread.

    Returns the number of calls of each. Raises the first exception of a call.
    """
    end = time.monotonic() + SECONDS
    start = threading.Barrier(THREADS + (background is not None))
    counts: list[Counter[str]] = []
    failures: list[BaseException] = []

    def work(own: tuple[Callable[[], object], ...], first: int) -> None:
        count: Counter[str] = Counter()
        counts.append(count)
        start.wait()
        try:
            while time.monotonic() < end and not failures:
                for at in range(len(own)):
                    job = own[(first + at) % len(own)]
                    job()
                    count[job.__name__] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(jobs, number)) for number in range(THREADS)]
    if background is not None:
        threads.append(threading.Thread(target=work, args=((background,), 0)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(counts, Counter())


@pytest.mark.skipif(not FREE_THREADED, reason="this interpreter was built with a GIL")
def test_the_gil_stays_off() -> None:
    program = """
import sys, warnings
warnings.simplefilter("error")
assert not sys._is_gil_enabled()
import webpencode
webpencode.decode(webpencode.encode({png!r}))
print(sys._is_gil_enabled())
"""

    assert run_python(program.format(png=PNG)) == "False\n"


def test_threads_share_files_pixels_and_options() -> None:
    keep = ["icc", "exif"]
    pixels = decode(PHOTO, width=50)
    files = {"photo": PHOTO, "png": PNG, "gif": GIF}
    expected = {name: encode(data, width=40, keep=keep, threads=1) for name, data in files.items()}
    expected_pixels = encode(pixels)
    expected_info = probe(PHOTO)
    expected_samples = memoryview(pixels).tobytes()

    def encode_photo() -> None:
        assert encode(PHOTO, width=40, keep=keep, threads=1) == expected["photo"]

    def encode_png() -> None:
        assert encode(PNG, width=40, keep=keep) == expected["png"]

    def encode_animation() -> None:
        assert encode(GIF, width=40, keep=keep) == expected["gif"]

    def encode_pixels() -> None:
        assert encode(pixels) == expected_pixels

    def decode_photo() -> None:
        assert memoryview(decode(PHOTO, width=50)).tobytes() == expected_samples

    def probe_photo() -> None:
        assert probe(PHOTO) == expected_info

    def fail() -> None:
        with pytest.raises(WebPEncodeError, match=r"."):
            encode(PHOTO[:3000], width=40)

    def encode_on_several() -> None:
        assert list(encode_many([PNG, GIF], workers=2, width=40, keep=keep)) == [expected["png"], expected["gif"]]

    def list_formats() -> None:
        assert "webp" in formats()

    jobs = (
        encode_photo,
        encode_png,
        encode_animation,
        encode_pixels,
        decode_photo,
        probe_photo,
        fail,
        encode_on_several,
        list_formats,
    )
    counts = stress(*jobs)

    assert set(counts) == {job.__name__ for job in jobs}
    assert encode(pixels) == expected_pixels


def test_an_array_may_be_modified_while_it_is_encoded() -> None:
    samples = bytearray(HEIGHT * WIDTH * 3)
    array = memoryview(samples).cast("B", (HEIGHT, WIDTH, 3))
    fills = [bytes([level]) * len(samples) for level in (0, 255)]

    def encode_array() -> None:
        assert decode(encode(array, lossless=True)).shape == (HEIGHT, WIDTH, 3)

    def encode_smaller() -> None:
        assert decode(encode(array, width=WIDTH // 2)).shape == (HEIGHT // 2, WIDTH // 2, 3)

    def write() -> None:
        for fill in fills:
            samples[:] = fill

    counts = stress(encode_array, encode_smaller, background=write)

    assert min(counts.values()) > 0


def test_the_bytes_of_a_file_may_be_modified_while_they_are_encoded() -> None:
    file = bytearray(PNG)
    broken = PNG[:60] + bytes(len(PNG) - 60)
    done: Counter[bool] = Counter()
    lock = threading.Lock()

    def encode_file() -> None:
        try:
            good = encode(file, width=20)[:4] == b"RIFF"
        except WebPEncodeError:
            good = False
        with lock:
            done[good] += 1

    def write() -> None:
        file[:] = broken
        file[:] = PNG
        time.sleep(0.0002)

    stress(encode_file, background=write)

    assert done[True] > 0
    file.clear()  # fails if a buffer is still held


def test_an_array_interface_may_change_while_it_is_read() -> None:
    samples = bytearray(HEIGHT * WIDTH * 3)
    array = SharedArray(samples)
    interface = array.__array_interface__
    done: Counter[str] = Counter()
    lock = threading.Lock()

    def encode_array() -> None:
        try:
            encode(array)
            outcome = "encoded"
        except (TypeError, ValueError) as error:
            outcome = "rejected" if "array" in str(error) else str(error)
        with lock:
            done[outcome] += 1

    def change() -> None:
        interface["shape"] = (HEIGHT * 2, WIDTH, 3)
        interface["typestr"] = "<f4"
        del interface["data"]
        interface["shape"] = (HEIGHT, WIDTH, 3)
        interface["typestr"] = "|u1"
        interface["data"] = samples
        time.sleep(0.0002)

    stress(encode_array, background=change)

    assert done["encoded"] > 0
    assert set(done) <= {"encoded", "rejected"}
    samples.clear()


def test_pixels_can_be_freed_in_another_thread() -> None:
    shared: list[object] = [None] * 4
    numbers = iter(range(1 << 60))
    lock = threading.Lock()

    def swap() -> None:
        with lock:
            at = next(numbers) % len(shared)
        view = memoryview(decode(PNG))
        old, shared[at] = shared[at], view
        assert old is None or isinstance(old, memoryview)
        assert view[0, 0, 2] == 0

    assert stress(swap)["swap"] > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork()")
@pytest.mark.parametrize("call", ["encode(png, width=8)", "decode(png)", "probe(png)"])
def test_every_call_that_needs_libvips_fails_immediately_in_a_fork_while_other_threads_encode(call: str) -> None:
    program = """
import os, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import webpencode
png = {png!r}
stop = threading.Event()
def work():
    while not stop.is_set():
        webpencode.encode(png, width=8)
webpencode.encode(png, width=8)
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for _ in range(40):
    child = os.fork()
    if child == 0:
        began = time.monotonic()
        try:
            webpencode.{call}
        except RuntimeError:
            os._exit(0 if time.monotonic() - began < 5 else 2)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
"""

    assert run_python(program.format(png=PNG, call=call)) == ""


def test_spawned_processes_work(tmp_path: Path) -> None:
    script = tmp_path / "spawning.py"
    script.write_text(f"""
import multiprocessing
import webpencode

PNG = {PNG!r}

if __name__ == "__main__":
    webpencode.encode(PNG)
    for method in set(multiprocessing.get_all_start_methods()) - {{"fork"}}:
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(webpencode.encode, [PNG] * 4) == [webpencode.encode(PNG)] * 4
    print("done")
""")

    assert subprocess.check_output([sys.executable, script], text=True, timeout=120) == "done\n"
