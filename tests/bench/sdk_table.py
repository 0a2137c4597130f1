"""The table of SDKs in docs/sdk.md, and the recorded sizes that it is written from (docs/data/sdks.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA, PAGE = ROOT / "docs" / "data" / "sdks.json", ROOT / "docs" / "sdk.md"
START, END = "<!-- sdks: start -->\n", "<!-- sdks: end -->\n"
_HEAD = """| SDK | archive | shared library | lowest system | program in C: shared, with archives | tried |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkSizes:
    """The sizes in bytes of an SDK's archive, of its shared library, and of the program in C that is linked to the shared
    library or to the archives; the oldest system that the library runs on; and whether the programs were run."""

    title: str
    archive: int
    library: int
    floor: str
    shared: int
    static: int
    is_run: bool


def read_sizes() -> dict[str, SdkSizes]:
    """Return the recorded sizes by recipe and target."""
    entries = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}
    return {name: SdkSizes(**entry) for name, entry in entries.items()}


def write_sizes(results: Mapping[str, SdkSizes]) -> None:
    """Record sizes, and write the table in docs/sdk.md."""
    entries = {name: asdict(sizes) for name, sizes in sorted(results.items())}
    DATA.write_text(f"{json.dumps(entries, indent=1)}\n", encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    PAGE.write_text(f"{before}{START}{render_table(results)}{END}{rest.partition(END)[2]}", encoding="utf-8")


def render_table(results: Mapping[str, SdkSizes]) -> str:
    """Return the table of recorded sizes."""
    rows = (
        f"| {_name(name)} | {_size(x.archive)} | {_size(x.library)} | {x.floor} | {_size(x.shared)}, {_size(x.static)} | "
        f"{'run' if x.is_run else 'linked'} |\n"
        for name, x in sorted(results.items())
    )
    return _HEAD + "".join(rows)


def _name(name: str) -> str:
    label, _, tag = name.partition(" ")
    profile = label.partition("-")[2]
    return f"`{tag}`, profile `{profile}`" if profile else f"`{tag}`"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
