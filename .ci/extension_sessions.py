"""The nox sessions that test and measure webpencode itself, whose wheel they take from wheelhouse/."""

from __future__ import annotations

from pathlib import Path

import nox
from session_tools import import_sources, install, install_pins, install_wheel

# Not run with sanitizers: tests of the imports and the memory use of the uninstrumented module, and of the command.
UNINSTRUMENTED = "not test_memory and not test_command and not calls_nothing_but_libvips"


@nox.session(name="free-threaded")
def free_threaded(session: nox.Session) -> None:
    """Build a free-threaded CPython and run webpencode's tests on it; `-- zig-…` tests the wheel of that job."""
    install(session)
    import_sources(session)
    session.run("python", "tests/integration/free_threaded.py", session.create_tmp(), *session.posargs)


@nox.session(name="bench-encode")
def bench_encode(session: nox.Session) -> None:
    """Measure webpencode's wheel next to Pillow, pyvips, opencv, webp and sharp. Prints figures and ratios."""
    session.install("matplotlib", "numpy", "opencv-python-headless", "Pillow", "pyvips[binary]", "webp")
    install_wheel(session)
    session.run("python", "tests/bench/bench_encode.py", *session.posargs)


@nox.session(name="bench-server")
def bench_server(session: nox.Session) -> None:
    """Measure examples/go-server next to a server in Python with webpencode's wheel: `-- build/…/go-server photo.jpg`."""
    install_wheel(session)
    session.run("python", "tests/bench/bench_server.py", *session.posargs)


@nox.session
def corpus(session: nox.Session) -> None:
    """Compare encoded pictures of other packages with Pillow, libwebp's tools and Chromium; `-- --short` for half a minute."""
    install(session, "corpus")
    install_wheel(session)
    session.run("python", "tests/corpus/run_corpus.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Pass 100,000 damaged files and unusual arrays to webpencode's wheel; `-- --count N --seed N` changes them."""
    install_wheel(session)
    session.run("python", "extension/fuzz/fuzz_encode.py", *session.posargs, env={"MALLOC_ARENA_MAX": "1"})


@nox.session
def properties(session: nox.Session) -> None:
    """Test webpencode's wheel with thousands of options, arrays and damaged files from hypothesis (10 minutes)."""
    install_pins(session, "wheel")
    install_wheel(session)
    with session.chdir("extension"):
        session.run("pytest", "tests/test_properties.py", "--hypothesis-profile=long", *session.posargs)


def instrument(session: nox.Session) -> dict[str, str]:
    """Replace the module of the wheel by an instrumented one, and return the environment that loads it."""
    install(session, "wheel")
    install_wheel(session)
    folder = Path(session.virtualenv.location) / "instrumented"
    session.run("python", "extension/fuzz/instrument.py", "--output-dir", str(folder))
    return dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines())


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run webpencode's tests with ASan and UBSan in module and libraries, built by Debian's clang (minutes)."""
    environment = instrument(session)
    with session.chdir("extension"):
        # Sanitizers write to the real standard error and end the process, which loses output that pytest has captured.
        session.run("pytest", "--capture=sys", "-k", UNINSTRUMENTED, *(session.posargs or ["tests"]), env=environment)


@nox.session(name="fuzz-coverage")
def fuzz_coverage(session: nox.Session) -> None:
    """Search with libFuzzer for inputs that reach new code, with ASan and UBSan (half an hour); `-- --seconds N`."""
    environment = instrument(session)
    session.run("python", "extension/fuzz/fuzz_coverage.py", *session.posargs, env=environment)
