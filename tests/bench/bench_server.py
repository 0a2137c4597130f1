"""Measure examples/go-server next to a server in Python with webpencode: requests per second, latency and memory.

Both make thumbnails of one photograph as WebP, without a cache, on the loopback interface of this machine. Each program has
the same number of requests, and a limit of time. The servers run in turn, three times; the median counts.

    python tests/bench/bench_server.py build/go-server photo.jpg
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

LONGEST_RUN = 120  # seconds
ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Result of one server: times in milliseconds, memory in MB; `processor` is the time of all threads per request."""

    start: float
    requests_per_second: float
    processor: float
    median: float
    slowest_percent: float
    memory: float
    bytes: int


def start_server(command: Sequence[str | Path]) -> tuple[subprocess.Popen[str], int, float]:
    """Start a server and return it with its port and the milliseconds until it listened."""
    begin = time.perf_counter()
    server = subprocess.Popen(
        [str(arg) for arg in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    elapsed = time.perf_counter() - begin
    match = ADDRESS.search(line)
    if match is None:
        server.kill()
        raise SystemExit(f"{command[0]} does not listen: {line}{server.stdout.read()}")
    threading.Thread(target=lambda: [None for _ in server.stdout or ()], daemon=True).start()
    return server, int(match[1]), elapsed * 1000


def send_requests(port: int, paths: Sequence[str], clients: int) -> tuple[list[float], int]:
    """Request all paths from parallel connections; return the milliseconds of each and the bytes of all answers."""
    queue, lock, times, sizes = list(paths), threading.Lock(), [], []
    deadline = time.monotonic() + LONGEST_RUN

    def run_client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < deadline:
            with lock:
                if not queue:
                    break
                path = queue.pop()
            begin = time.perf_counter()
            connection.request("GET", path, headers={"Accept": "image/webp"})
            response = connection.getresponse()
            data = response.read()
            if response.status != 200 or data[8:12] != b"WEBP":
                raise SystemExit(f"{path}: {response.status} {data[:200]!r}")
            times.append((time.perf_counter() - begin) * 1000)
            sizes.append(len(data))
        connection.close()

    threads = [threading.Thread(target=run_client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(times) != len(paths):
        raise SystemExit(f"{len(times)} of {len(paths)} requests were answered within {LONGEST_RUN} s")
    return times, sum(sizes)


def read_processor_time(process: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(command: Sequence[str | Path], name: str, count: int, clients: int) -> Run:
    """Run a server and send `count` requests with different widths, so that no result serves two of them."""
    server, port, start = start_server(command)
    try:
        send_requests(port, [f"/{name}?width=150"] * clients, clients)
        begin, used = time.perf_counter(), read_processor_time(server.pid)
        times, size = send_requests(port, [f"/{name}?width={200 + number}" for number in range(count)], clients)
        elapsed, used = time.perf_counter() - begin, read_processor_time(server.pid) - used
        status = Path(f"/proc/{server.pid}/status").read_text()
    finally:
        server.terminate()
        server.wait(timeout=60)
    peak = re.search(r"VmHWM:\s*(\d+)", status)
    return Run(
        start=start,
        requests_per_second=count / elapsed,
        processor=used * 1000 / count,
        median=statistics.median(times),
        slowest_percent=statistics.quantiles(times, n=100)[-1],
        memory=int(peak[1]) / 1000 if peak else 0,
        bytes=size // count,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", type=Path, help="go-server for this machine; several are measured", nargs="+")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write all runs to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(arguments.photo, Path(folder) / "photo.jpg")
        commands: dict[str, list[str | Path]] = {
            str(path): [path.resolve(), "-listen", "127.0.0.1:0", folder] for path in arguments.server
        }
        commands["Python"] = [sys.executable, Path(__file__).with_name("python_server.py"), folder]
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        for _ in range(arguments.rounds):
            for name, command in commands.items():
                runs[name].append(measure(command, "photo.jpg", arguments.requests, arguments.clients))
    print(f"{arguments.requests} thumbnails of {arguments.photo.name}, {arguments.clients} clients; medians")
    print(
        f"{'server':40} {'start':>8} {'per second':>10} {'processor':>9} {'median':>8} {'99 %':>8} {'memory':>8} {'bytes':>7}"
    )
    for name, results in runs.items():
        row = [statistics.median(asdict(run)[key] for run in results) for key in Run.__slots__]
        print(
            f"{name:40} {row[0]:5.0f} ms {row[1]:10.1f} {row[2]:6.1f} ms {row[3]:5.0f} ms {row[4]:5.0f} ms"
            f" {row[5]:5.0f} MB {row[6]:7.0f}"
        )
    if arguments.json:
        results_json = {name: [asdict(run) for run in results] for name, results in runs.items()}
        arguments.json.write_text(json.dumps(results_json, indent=1) + "\n")


if __name__ == "__main__":
    main()
