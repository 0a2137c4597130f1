"""The tests try the installed package: the bytes that people get, never the source tree."""

import signal
from pathlib import Path

import pytest
import webpencode

try:
    import hypothesis
except ImportError:  # as in the smoke images, which have nothing but pytest
    hypothesis = None

SOURCES = Path(__file__).resolve().parent.parent / "src"

if hypothesis is not None:
    # How long an example takes says nothing on a machine that does other things as well; by default nothing is by chance.
    hypothesis.settings.register_profile("usual", deadline=None, max_examples=60, derandomize=True, database=None)
    hypothesis.settings.register_profile("long", deadline=None, max_examples=6000, print_blob=True)
    hypothesis.settings.load_profile("usual")


def pytest_configure(config: pytest.Config) -> None:
    if SOURCES in Path(webpencode.__file__).resolve().parents:
        raise pytest.UsageError(f"webpencode comes from {SOURCES}: install its wheel and test that")
    # A shell's background job ignores Ctrl-C, and so would the command that a test starts and then interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str:
    return f"webpencode: {Path(webpencode.__file__).parent}"
