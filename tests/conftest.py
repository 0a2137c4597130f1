"""The option that rewrites expected output, folders that all workers of a run share, and Ctrl-C as a terminal sends it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write the present output into expected files")


def pytest_configure() -> None:
    # A shell's background job ignores SIGINT, and so would every process that a test starts and then interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def python_headers(shared_folder: Path) -> Path:
    """The archive that workshops build the headers of CPython from."""
    from workshop import pack_python_headers

    return pack_python_headers(shared_folder)
