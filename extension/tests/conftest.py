"""The tests try the installed package: the bytes that people get, never the source tree."""

from pathlib import Path

import pytest
import webpencode

SOURCES = Path(__file__).resolve().parent.parent / "src"


def pytest_configure(config: pytest.Config) -> None:
    if SOURCES in Path(webpencode.__file__).resolve().parents:
        raise pytest.UsageError(f"webpencode comes from {SOURCES}: install its wheel and test that")


def pytest_report_header(config: pytest.Config) -> str:
    return f"webpencode: {Path(webpencode.__file__).parent}"
