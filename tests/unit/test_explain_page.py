"""The table of docs/explain.md is that of the recorded results."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_has_the_recorded_results() -> None:
    spec = importlib.util.spec_from_file_location("explain_table", ROOT / "docs" / "explain_table.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    page, results = script.PAGE.read_text(encoding="utf-8"), json.loads(script.DATA.read_text(encoding="utf-8"))

    assert script.fill_page(page, results) == page, "run `python docs/explain_table.py --table`"
