"""Runs in a smoke image, with nothing but the interpreter there: installs a wheel, uses it, and writes down how it went.

It is told what to do by JSON in EVERYWHEEL_ORDER: the `wheel`, the `site` to install it into, the `command`, `through` (an
emulator that the command runs in), the `result` file to write, the `places` from which any library may be loaded and the
libraries that are `promised` to be on the system. What lies beside the wheel is in the folders next to this one: `pip`,
`wheels` (what the wheel requires) and `site` (what the command needs).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SITE = Path(__file__).parent / "site"
sys.path.append(str(SITE))

from loaded import list_loaded  # type: ignore[import-not-found]  # noqa: E402

MAPS, OWN = Path("/tmp/maps"), Path("/tmp/own")
ROOM = Path(__file__).parents[1]
# Everything that the interpreter's own modules load is the system's business, not the wheel's.
IMPORT_ALL = """
import importlib, pathlib, sys
for folder in sys.path:
    for path in pathlib.Path(folder).glob("*.so") if folder.endswith("lib-dynload") else ():
        name = path.name.partition(".")[0]
        if "test" not in name:
            try:
                importlib.import_module(name)
            except Exception:
                pass
"""


def find_libc() -> str:
    """Return name and version of the C library, such as `glibc 2.36`."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "?"
    except (ValueError, OSError):
        loader = next(iter(Path("/lib").glob("ld-musl-*.so.1")), None)
        told = subprocess.run([loader], capture_output=True, text=True, check=False).stderr if loader else ""
        return "musl " + next((line.split()[-1] for line in told.splitlines() if line.startswith("Version")), "?")


def run_stage(name: str, words: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run one command; return its exit code (negative: a signal), the end of its output, and seconds of wall time."""
    began = time.monotonic()
    ended = subprocess.run(words, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = ended.stdout.decode(errors="replace")[-20000:]
    return {"stage": name, "exit": ended.returncode, "output": output, "seconds": time.monotonic() - began}


def is_promised(name: str, promised: set[str]) -> bool:
    """Tell whether a library is on every system that the tag names; glibc's own plugins (nsswitch.conf) come with it."""
    return name in promised or name.startswith("libnss_")


def find_strange(order: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Return the libraries that the command loaded from anywhere but the known places, the promised ones aside.

    What this interpreter has loaded itself is no stranger; nor is what its other modules load, which is only looked at
    where it matters: under an emulator that takes longer than many a wheel's tests.
    """
    known, promised = list_loaded(), set(order["promised"])
    strange = {
        path
        for path in read_notes(MAPS) - known
        if not path.startswith(tuple(order["places"])) and not is_promised(path.rpartition("/")[2], promised)
    }
    if strange:
        run_stage("own", [sys.executable, "-c", IMPORT_ALL], {**environment, "EVERYWHEEL_MAPS": str(OWN)})
    return sorted(strange - read_notes(OWN))


def read_notes(folder: Path) -> set[str]:
    """Return the libraries that any process had loaded, as `sitecustomize` wrote them down."""
    return {line for file in folder.iterdir() for line in file.read_text().splitlines()}


def main() -> None:
    order = json.loads(os.environ["EVERYWHEEL_ORDER"])
    for folder in (MAPS, OWN):
        folder.mkdir()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("EVERYWHEEL")}
    # As a user has it from an index: whatever wheel pip takes for this system, and never the sources.
    source = ["--index-url", order["index"], "--only-binary", ":all:"] if order["index"] else ["--no-index"]
    install = [
        sys.executable,
        str(ROOM / "pip" / "pip"),
        "install",
        *source,
        "--find-links",
        str(ROOM / "wheels"),
        "--target",
        order["site"],
        "--no-compile",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
        "--quiet",
        order["wheel"],
    ]
    stages, strange, loaded = [run_stage("install", install, plain)], list[str](), list[str]()
    if stages[0]["exit"] == 0:
        watched = {
            **plain,
            "PYTHONPATH": f"{order['site']}:{ROOM / 'site'}:{SITE}",
            "PYTEST_ADDOPTS": "-p no:cacheprovider",
            "EVERYWHEEL_MAPS": str(MAPS),
        }
        words = [sys.executable if word == "python" else word for word in order["command"]]
        stages.append(run_stage("test", [*order["through"], *words], watched))
        strange = find_strange(order, watched)
        loaded = sorted({path.rpartition("/")[2] for path in read_notes(MAPS)})
    result = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "libc": find_libc(),
        "stages": stages,
        "strange": strange,
        "loaded": loaded,
    }
    Path(order["result"]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
