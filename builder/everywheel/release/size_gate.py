"""The size gate: a wheel that grew since the last release needs a changelog fragment that states the reason."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from everywheel.errors import ReleaseError, UsageError
from everywheel.release.changelog import Changelog, is_fragment, load_changelog
from everywheel.release.git import git_succeeds, run_git
from everywheel.release.records import Record

TYPE = "size"
"""The type of a changelog fragment that explains a larger wheel."""
_LIMIT = 5  # percent


def check_sizes(files: Sequence[Path], record: Record, root: Path, configs: Sequence[Path]) -> None:
    """Raise ReleaseError when a wheel is more than 5 % larger than in the last release, and no fragment states the reason.

    `configs` are the files with `[tool.towncrier]`. A fragment also counts if it has gone into the changelog since the last
    commit, as in a release that is prepared. A wheel for a new Python or target is not compared.
    """
    lines = list_grown(files, record)
    if not lines:
        return
    changelogs = _load_changelogs(root, configs)
    if any(_list_fragments(changelog, root) for changelog in changelogs):
        return
    folders = [changelog.folder.relative_to(root) for changelog in changelogs if TYPE in changelog.types]
    if folders:
        file = folders[-1] / f"+name.{TYPE}.md"
        hint = f"write the reason into {file}; `everywheel explain --size WHEEL` shows what takes the space"
    else:
        hint = f"add the type `{TYPE}` to [tool.towncrier], and write a fragment of it that states the reason"
    count = "1 wheel is" if len(lines) == 1 else f"{len(lines)} wheels are"
    raise ReleaseError(
        f"{count} more than {_LIMIT} % larger than in release {record.version}, and no changelog fragment states the reason",
        excerpt=lines,
        hint=hint,
    )


def list_grown(files: Sequence[Path], record: Record) -> list[str]:
    """Return a line for each wheel that grew by more than the limit."""
    before = {_find_tags(name): file.size for name, file in record.files.items() if name.endswith(".whl")}
    sizes: Mapping[str, int] = {file.name: file.stat().st_size for file in files if file.suffix == ".whl"}
    lines = []
    for name, size in sizes.items():
        old = before.get(_find_tags(name), size)
        if size * 100 > old * (100 + _LIMIT):
            lines.append(f"{name}: {size:,} bytes, {old:,} before (+{(size - old) / old * 100:.1f} %)")
    return lines


def _find_tags(name: str) -> frozenset[object]:
    return frozenset(parse_wheel_filename(name)[3])


def _load_changelogs(root: Path, configs: Sequence[Path]) -> list[Changelog]:
    """Return the changelogs; a file without one is left out, since a project may have none."""
    changelogs = []
    for config in configs:
        try:
            changelogs.append(load_changelog(root, config))
        except UsageError:
            continue
    return changelogs


def _list_fragments(changelog: Changelog, root: Path) -> list[str]:
    """Return the names of fragments of the type, also those that were deleted since the last commit."""
    names = [path.name for path in changelog.folder.glob("*")]
    if shutil.which("git") and git_succeeds(root, "rev-parse", "--git-dir"):
        folder = changelog.folder.relative_to(root).as_posix()
        names += [Path(name).name for name in run_git(root, "ls-files", "--deleted", "--", folder).splitlines()]
    return [name for name in names if TYPE in changelog.types and is_fragment(name, [TYPE])]
