"""Configuration of the tests, which always run against the installed wheel, never against the source tree."""

import signal
from collections.abc import Generator
from pathlib import Path

import pytest
import webpencode

try:
    import hypothesis
except ImportError:  # smoke images have only pytest
    hypothesis = None

SOURCES = Path(__file__).resolve().parent.parent / "src"

if hypothesis is not None:
    # No deadline, because other processes may slow down an example; the default profile is deterministic.
    hypothesis.settings.register_profile("usual", deadline=None, max_examples=60, derandomize=True, database=None)
    hypothesis.settings.register_profile("long", deadline=None, max_examples=6000, print_blob=True)
    hypothesis.settings.load_profile("usual")


def pytest_configure(config: pytest.Config) -> None:
    if SOURCES in Path(webpencode.__file__).resolve().parents:
        raise pytest.UsageError(f"webpencode is imported from {SOURCES}: install the wheel and test that instead")
    # Background jobs of a shell ignore Ctrl-C, and child processes inherit that; a test interrupts the command.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test fail if the library, or a process of the test, has printed to standard error."""
    report = yield
    if report.when == "call" and report.passed and report.capstderr:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} printed to standard error:\n{report.capstderr}"
    return report


def pytest_report_header(config: pytest.Config) -> str:
    return f"webpencode: {Path(webpencode.__file__).parent}"
