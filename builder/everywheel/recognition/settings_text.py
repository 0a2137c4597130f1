"""The settings and the workflow that are written for a recognized project."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
_ACTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9_.-]+)+@[A-Za-z0-9_./-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedSettings:
    """The values of the table [tool.everywheel]."""

    requires: tuple[str, ...]
    python: tuple[str, ...]
    targets: tuple[str, ...]

    def format(self, header: str) -> str:
        """Return the table as TOML; `header` is the line before it, or empty for a file of its own."""
        lines = [
            f"requires = {_format_list(self.requires)}" if self.requires else "",
            f"python = {_format_list(self.python)}" if self.python else "",
            "targets = [",
            *(f'    "{target}",' for target in self.targets),
            "]",
        ]
        return "".join(f"{line}\n" for line in (header, *lines) if line)


def _format_list(values: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def is_action(text: str) -> bool:
    """Return whether a text names an action of another repository and its version: `owner/everywheel@v1`."""
    return _ACTION.fullmatch(text) is not None


def format_workflow(action: str, project: PurePosixPath) -> str:
    """Return a workflow of GitHub that builds the wheels of the project in a folder of the repository."""
    folder = [] if project == PurePosixPath() else ["        with:", f"          project: {_quote(project)}"]
    lines: Sequence[str] = (
        "# Builds, audits and tests the wheels, and uploads them as the artifact `wheels`.",
        "name: wheels",
        "",
        "on:",
        "  pull_request:",
        "  push:",
        "    branches: [main, master]",
        '    tags: ["*"]',
        "",
        "permissions: {}",
        "",
        "jobs:",
        "  wheels:",
        "    name: wheels",
        "    runs-on: ubuntu-24.04",
        "    timeout-minutes: 120",
        "    permissions:",
        "      contents: read",
        "    steps:",
        f"      - uses: {_CHECKOUT}",
        "        with:",
        "          fetch-depth: 0 # with tags, for versions that come from git",
        "          persist-credentials: false",
        f"      - uses: {action}",
        *folder,
    )
    return "".join(f"{line}\n" for line in lines)


def _quote(path: PurePosixPath) -> str:
    return "'" + str(path).replace("'", "''") + "'"
