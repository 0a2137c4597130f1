"""Summarize the trace of a build: processor seconds by stage and by step.

everywheel build --trace trace.json && nox -s bench -- profile trace.json
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LONGEST_LIST = 12


def read_spans(file: Path) -> list[dict[str, Any]]:
    """Return the complete events of a trace."""
    return [event for event in json.loads(file.read_text(encoding="utf-8"))["traceEvents"] if event["ph"] == "X"]


def sum_stages(spans: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the processor seconds of each stage, of all steps together."""
    sums: dict[str, float] = defaultdict(float)
    for span in spans:
        if span["cat"] == "stage":
            sums[span["name"]] += span["args"].get("processor_seconds", 0.0)
    return dict(sums)


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    spans = read_spans(parser.parse_args().trace)
    tasks = [span for span in spans if span["cat"] in ("step", "compiler")]
    seconds = {span["name"]: span["args"].get("processor_seconds", 0.0) for span in tasks}
    total = sum(seconds.values())
    wall = (max(span["ts"] + span["dur"] for span in tasks) - min(span["ts"] for span in tasks)) / 1e6
    stages = sum_stages(spans)
    print(f"{len(tasks)} steps: {total:.0f} processor seconds in {wall:.0f} s on {os.cpu_count()} processors")
    print("\nprocessor seconds by stage:")
    for name, value in sorted(stages.items(), key=lambda item: -item[1]):
        print(f"{value:8.1f}  {value / total:4.0%}  {name}")
    rest = total - sum(stages.values())
    print(f"{rest:8.1f}  {rest / total:4.0%}  outside of stages")
    print("\nprocessor seconds by step:")
    for name, value in sorted(seconds.items(), key=lambda item: -item[1])[:LONGEST_LIST]:
        print(f"{value:8.1f}  {name}")


if __name__ == "__main__":
    main()
