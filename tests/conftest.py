"""The option that rewrites expected words, and what a shell may have left to its background jobs."""

import signal

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write what is printed now into expected files")


def pytest_configure() -> None:
    # A shell's background job ignores Ctrl-C, and so would everything that a test starts and then interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
