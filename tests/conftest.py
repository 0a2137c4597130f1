"""The option `--update`, fixtures that all workers of a run share, and what the processes that tests start inherit."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write the current output to the files with expected output")


def pytest_configure() -> None:
    # A background job of a shell ignores SIGINT and SIGQUIT, one of nohup SIGHUP; processes that tests interrupt would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform != "win32":
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # uv installs no bytecode. Where it is not written either, each of a thousand processes compiles all that it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this run share."""
    base_folder = tmp_path_factory.getbasetemp()
    return base_folder if worker_id == "master" else base_folder.parent


@pytest.fixture(scope="session")
def python_headers(shared_folder: Path) -> Path:
    """The archive of CPython's headers that copies of the fixture project build from."""
    from fixture_project import pack_python_headers

    return pack_python_headers(shared_folder)
