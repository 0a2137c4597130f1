"""Explain well-known wheels, and write the results into docs/data/explain.json and the table of docs/explain.md.

`python docs/explain_table.py [WHEEL...]` downloads the wheels below from the package index, and adds the named files. With
`--table`, only the table is written, from the recorded results. The unit tests check that both agree.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from everywheel.explain.explanation import explain
from everywheel.explain.hardening import list_protections
from everywheel.explain.index import read_index_wheel
from everywheel.explain.subjects import Subject, read_subject
from everywheel.explain.systems import summarize

DOCS = Path(__file__).parent
DATA, PAGE = DOCS / "data" / "explain.json", DOCS / "explain.md"
BEGIN, END = "<!-- table: written by explain_table.py -->", "<!-- end of the table -->"
WHEELS = (
    ("numpy", "2.5.5"),
    ("Pillow", "13.0.0"),
    ("pyvips-binary", "8.18.7"),
    ("psycopg2-binary", "2.9.13"),
    ("opencv-python-headless", "5.0.0.93"),
    ("cryptography", "50.0.2"),
)
PATTERN = "*manylinux*x86_64.whl"
OTHERS = (
    ("numpy", "2.5.5", "*manylinux*aarch64.whl"),
    ("numpy", "2.5.5", "*macosx*arm64.whl"),
    ("numpy", "2.5.5", "*macosx*x86_64.whl"),
    ("scipy", "1.18.1", "*macosx*arm64.whl"),
    ("numpy", "2.5.5", "*win_amd64.whl"),
    ("Pillow", "13.0.0", "*win_amd64.whl"),
    ("numpy", "2.5.5", "*win_arm64.whl"),
)


def run(files: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the result of each wheel."""
    for name, version in WHEELS:
        yield describe(read_index_wheel(name, version, PATTERN))
    for name, version, pattern in OTHERS:
        yield describe(read_index_wheel(name, version, pattern))
    for file in files:
        yield describe(read_subject(file))


def describe(subject: Subject) -> dict[str, Any]:
    """Return the facts about a wheel that the table shows."""
    before = time.process_time()
    platform = explain(subject).platforms[0]
    seconds = time.process_time() - before
    summary = summarize(platform.verdicts)
    states = [{p.name: p for p in list_protections(elf)} for elf in subject.contents.elves.values()]
    return {
        "wheel": subject.title,
        "system": f"{platform.system} {platform.arch}",
        "megabytes": round(subject.packed / 1e6, 1),
        "minimum": platform.minimum,
        "runs": summary.runs,
        "fails": summary.fails,
        "reason": summary.reason,
        "processor": platform.processor.name if platform.processor else "",
        "files": len(states),
        "relro": sum(state["RELRO"].is_present for state in states if "RELRO" in state),
        "stack protector": sum(state["stack protector"].is_present for state in states),
        "seconds": round(seconds, 1),
    }


def make_table(results: Sequence[dict[str, Any]]) -> str:
    """Return the table in Markdown."""
    lines = [
        "| wheel | for | needs | does not run on | processor | full RELRO, stack protector | seconds |",
        "| --- " * 7 + "|",
    ]
    for row in results:
        name = "-".join(row["wheel"].split("-")[:2])
        protected = f"{row['relro']}, {row['stack protector']} of {row['files']} files" if row["files"] else ""
        fails = f"{', '.join(row['fails'])}: {row['reason']}" if row["fails"] else ""
        lines.append(
            f"| {name} ({row['megabytes']} MB) | {row['system']} | {row['minimum']} | {fails} | {row['processor']} "
            f"| {protected} | {row['seconds']} |"
        )
    return "\n".join(lines)


def fill_page(page: str, results: Sequence[dict[str, Any]]) -> str:
    """Return the page with the table between its two markers."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{make_table(results)}\n\n{END}{rest.partition(END)[2]}"


def main(args: Sequence[str]) -> None:
    """Write the results and the table."""
    if "--table" not in args:
        DATA.write_text(json.dumps(list(run(args)), indent=1) + "\n", encoding="utf-8")
    results = json.loads(DATA.read_text(encoding="utf-8"))
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
