"""webpencode works in one process with packages that contain libvips, libwebp or GLib, in every order of imports."""

from __future__ import annotations

import itertools
import platform
import signal
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from root_filesystems import call

# Debian's PyGObject, which uses the system's GLib, is installed for this interpreter.
PYTHON = Path("/usr/bin/python3")


def write_png(side: int) -> bytes:
    """Return a square RGB image as PNG."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(
        b"\0" + bytes(value % 256 for x in range(side) for value in (9 * x, 9 * y, 99)) for y in range(side)
    )
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


USES = {
    "webpencode": "assert webpencode.encode(webpencode.decode(PNG), width=9)[:4] == b'RIFF'",
    "pyvips": "assert pyvips.Image.thumbnail_buffer(PNG, 9).webpsave_buffer()[:4] == b'RIFF'",
    "PIL.Image": "PIL.Image.open(io.BytesIO(PNG)).save(out := io.BytesIO(), 'WEBP'); assert out.getvalue()[:4] == b'RIFF'",
    "gi.repository.Gio": "assert gi.repository.Gio.File.new_for_path('/').query_exists()",
}
PROGRAM = """
import importlib, io, sys
PNG = bytes.fromhex("{png}")
for name in sys.argv[1].split():
    importlib.import_module(name)
    globals()[name.partition(".")[0]] = sys.modules[name.partition(".")[0]]
for _ in range(3):
    {uses}
print("all work")
"""

pytestmark = pytest.mark.xdist_group("import_orders")


@pytest.fixture(scope="module")
def python(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    if subprocess.run([PYTHON, "-c", "import gi"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{PYTHON} has no PyGObject (Debian: `apt-get install python3-gi`)")
    folder = tmp_path_factory.mktemp("import_orders") / "venv"
    call([PYTHON, "-m", "venv", "--system-site-packages", folder])
    wheel = wheels[f"manylinux2014_{platform.machine()}"]
    call([folder / "bin" / "pip", "install", "--quiet", wheel, "pyvips[binary]", "Pillow"])
    return folder / "bin" / "python"


def run(python: Path, order: tuple[str, ...], unused: str = "") -> tuple[int, str, str]:
    """Import packages in an order and use all except `unused`; return exit code, output and errors."""
    uses = "\n    ".join(code for name, code in USES.items() if name in order and name != unused)
    program = PROGRAM.replace("{uses}", uses).replace("{png}", write_png(16).hex())
    result = subprocess.run([python, "-c", program, " ".join(order)], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout, result.stderr


ALL_ORDERS = tuple(itertools.permutations(USES))
# pyvips prints errors if PyGObject is imported after it, and crashes if PyGObject is imported before it.
WORKING_ORDERS = [
    *(order for order in ALL_ORDERS if order.index("pyvips") < order.index("gi.repository.Gio")),
    *itertools.permutations(name for name in USES if name != "pyvips"),
]
CRASHING_ORDERS = [order for order in ALL_ORDERS if order.index("pyvips") > order.index("gi.repository.Gio")]


@pytest.mark.parametrize("order", WORKING_ORDERS, ids=" ".join)
def test_all_packages_work_in_every_order_in_which_pyvips_does_not_crash(python: Path, order: tuple[str, ...]) -> None:
    others = tuple(name for name in order if name != "webpencode")

    code, output, errors = run(python, order)

    assert (code, output) == (0, "all work\n"), errors
    assert set(errors.splitlines()) <= set(run(python, others)[2].splitlines())


@pytest.mark.parametrize(
    "order", sorted({tuple(name for name in order if name != "webpencode") for order in CRASHING_ORDERS}), ids=" ".join
)
def test_pyvips_crashes_after_pygobject_without_webpencode(python: Path, order: tuple[str, ...]) -> None:
    code, output, errors = run(python, order)

    assert (code, output) == (-signal.SIGSEGV, "")
    assert "GLib-GObject-CRITICAL" in errors


@pytest.mark.parametrize("order", CRASHING_ORDERS, ids=" ".join)
def test_the_other_packages_work_in_the_orders_in_which_pyvips_crashes(python: Path, order: tuple[str, ...]) -> None:
    others = tuple(name for name in order if name != "webpencode")

    code, output, errors = run(python, order, unused="pyvips")

    assert (code, output) == (0, "all work\n"), errors
    assert set(errors.splitlines()) <= set(run(python, others, unused="pyvips")[2].splitlines())
