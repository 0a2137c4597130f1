"""Checks of what the install command of a build wrote: at least one file, and none outside of the staged prefix."""

from __future__ import annotations

import os
from pathlib import Path

from everywheel.config.recipe import ResolvedRecipe
from everywheel.errors import BuildError, count_noun
from everywheel.toolchains.toolchain import PREFIX

_SHOWN = 5  # files in one line of an error
STAGE_HINT = 'a makefile without DESTDIR can get the staged prefix: `options = { PREFIX = "{stage}" }` in [build]'


def check_installed(staging: Path, recipe: ResolvedRecipe, *, wrote_prefix: bool) -> None:
    """Check the files below `staging` (DESTDIR); `wrote_prefix` is true if the build created PREFIX itself.

    Raises BuildError when there are none, when one is not in the prefix, and when the build wrote to the prefix itself.
    """
    if wrote_prefix:
        raise BuildError(
            describe_unstaged(recipe.label),
            details={"exists now": PREFIX},
            hint=f"remove {PREFIX}; {STAGE_HINT}",
        )
    prefix, outside, count = staging / PREFIX.lstrip("/"), list[str](), 0
    for folder, _, names in os.walk(staging):
        for name in names:
            path = Path(folder, name)
            count += 1
            if not path.is_relative_to(prefix):
                outside.append(f"/{path.relative_to(staging).as_posix()}")
    if outside:
        shown = ", ".join(sorted(outside)[:_SHOWN])
        further = f" and {count_noun(len(outside) - _SHOWN, 'other file')}" if len(outside) > _SHOWN else ""
        raise BuildError(
            f"{recipe.label}: the build installs files outside of the prefix {PREFIX}",
            details={"files": f"{shown}{further}"},
            hint="select another directory with an option, or remove them with a patch: only the prefix is kept",
        )
    if not count:
        raise BuildError(
            f"{recipe.label}: every command of the build succeeded, but nothing was installed",
            hint="an option may disable the library, or `subdir` names another part of the source; with make, the targets are "
            "`compile` and `install` in [build], and a makefile that ignores DESTDIR installs into folders of this machine",
        )


def describe_unstaged(label: str) -> str:
    """Return the fact about a build that writes to the configured prefix itself."""
    return f"{label}: the build installs into {PREFIX} of this machine instead of the staging directory"
