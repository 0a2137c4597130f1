"""Names of switches and options in a recipe that its build system does not know, which is not an error for all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from everywheel.config.collection import is_installed
from everywheel.config.recipe import Build, BuildSystem
from everywheel.execution.notices import report_notice
from everywheel.libraries.make_builds import name_switch
from everywheel.planning.steps import LibraryStep

_CMAKE = re.compile(r"Manually-specified variables were not used by the project:\n\n((?: +\S+\n)+)")
_CONFIGURE = re.compile(r"^configure: WARNING: unrecognized options: (.+)$", re.MULTILINE)
_LISTS = {
    BuildSystem.CMAKE: "`cmake -G Ninja -S {folder} -B list -LH`",
    BuildSystem.AUTOTOOLS: "`{folder}/{script} --help`",
}


def report_unused_names(step: LibraryStep, output: str) -> None:
    """Report the names of a recipe that CMake or a configure script does not use, from the output of the configuration.

    It is a warning and not an error, since a source may use a name for some targets only. Installed recipes are not
    reported: their user cannot change them. Meson fails by itself.
    """
    recipe, build = step.recipe, step.recipe.build
    names = find_unused_names(build, output)
    if not names or is_installed(recipe):
        return
    program = "CMake" if build.system is BuildSystem.CMAKE else "configure"
    script = (build.configure or ("configure",))[0]
    command = _LISTS[build.system].format(folder=PurePosixPath("source", build.subdir), script=script)
    report_notice(
        f"{step.label}: {program} does not use {', '.join(names)} of {recipe.directory / 'recipe.toml'}: {command} in "
        f"`everywheel shell {step.name}` lists the options"
    )


def find_unused_names(build: Build, output: str) -> Sequence[str]:
    """Return the names in `enable`, `disable` and `options` that are reported as unused in the output of a configuration."""
    own = (*build.enable, *build.disable, *build.options)
    if build.system is BuildSystem.CMAKE:
        unused = {name for lines in _CMAKE.findall(output) for name in lines.split()}
        return [name for name in own if name in unused]
    if build.system is BuildSystem.AUTOTOOLS:
        unused = {name for names in _CONFIGURE.findall(output) for name in names.split(", ")}
        spellings = {
            **{name_switch(name, is_enabled=True): name for name in build.enable},
            **{name_switch(name, is_enabled=False): name for name in build.disable},
            **{f"--{name}": name for name in build.options},
        }
        return [name for spelling, name in spellings.items() if spelling in unused]
    return []
