"""The explanation as a page: one static file without scripts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from everywheel.errors import printable
from everywheel.explain.explanation import Explanation, Platform
from everywheel.explain.option_text import render_lower, render_size
from everywheel.explain.size import measure
from everywheel.explain.text import (
    describe_causes,
    describe_instructions,
    describe_protections,
    list_rows,
    name_platform,
    render_text,
)

_STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --ok: #1a7f4b; --bad: #c62f2f; --text: #1c2330; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #343c49; --ok: #4ccb8a; --bad: #ff7b72; --text: #e6eaf0;
  --paper: #12161c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper); margin: 2.5rem auto;
  max-width: 70rem; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line);
  text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { white-space: nowrap; font-weight: 600; } .ok { color: var(--ok); } .bad { color: var(--bad); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
"""


def render_page(explanations: Sequence[Explanation]) -> str:
    """Return the page with the answers, the distributions and the details of each subject."""
    body = "".join(map(_render_explanation, explanations))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Where does it run?</title><style>{_STYLE}</style></head><body>{body}</body></html>
"""


def _render_explanation(explanation: Explanation) -> str:
    title, *answer = render_text(explanation, details=False)
    paragraphs = "".join(f"<p>{_escape(line.strip())}</p>" for line in answer)
    platforms = "".join(_render_platform(platform, explanation) for platform in explanation.platforms)
    lower = _quote("Older systems", render_lower(explanation)) if explanation.platforms else ""
    size = _quote("Size", render_size(measure(explanation.subject)))
    return f"<h1>{_escape(title)}</h1>{paragraphs}{platforms}{lower}{size}"


def _render_platform(platform: Platform, explanation: Explanation) -> str:
    rows = "".join(
        f'<tr><th>{_escape(name)}</th><td class="{"ok" if text == "runs" else "bad"}">{_escape(text)}</td></tr>'
        for name, text in list_rows(platform.verdicts)
    )
    table = f"<table>{rows}</table>" if rows else ""
    libraries = (f"{item.name}: {item.origin.value} {item.details}" for item in platform.libraries)
    return (
        f"<h2>{_escape(name_platform(platform))}</h2>{table}"
        + _quote("Required versions", describe_causes(platform.causes))
        + _quote("Needed libraries", libraries)
        + (_quote("Instruction sets", describe_instructions(platform)) if platform.system == "Linux" else "")
        + _quote("Protections", describe_protections(platform, explanation.subject))
    )


def _quote(title: str, lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return f"<h3>{_escape(title)}</h3><pre>{_escape(text)}</pre>" if text else ""


def _escape(text: str) -> str:
    return html.escape(printable(text))
