"""Builds with GNU make: the commands for a configure script of autoconf, and for a makefile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.placeholders import fill_arguments
from everywheel.config.recipe import Build, BuildSystem, Linkage, Scalar
from everywheel.platforms.target import Target, build_machine_target
from everywheel.platforms.triplets import Vendor, name_triplet
from everywheel.toolchains.toolchain import PREFIX

# Variables of autoconf's cache, of the environment and of make; other options begin with two dashes.
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9]*_\w*|[A-Z][A-Z0-9]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeBuild:
    """The facts from which the commands of one build are computed; `staging` is the directory for DESTDIR."""

    build: Build
    linkage: Linkage
    target: Target
    source: Path
    build_directory: Path
    staging: Path

    @property
    def folder(self) -> Path:
        """The directory in which make runs: makefiles without a configure script of autoconf build in their own."""
        return self.build_directory if self.build.system is BuildSystem.AUTOTOOLS else self.source

    @property
    def placeholders(self) -> Mapping[str, str]:
        """The values of the names in braces that arguments and options may contain."""
        return {
            "prefix": PREFIX,
            "stage": str(self.staging / PREFIX.lstrip("/")),
            "host": name_triplet(self.target),
            "build": name_triplet(build_machine_target(), Vendor.BUILD_MACHINE),
        }


def list_make_commands(make: MakeBuild, variables: Mapping[str, str]) -> list[tuple[str, tuple[str, ...], Path]]:
    """Return the stage, the arguments and the working directory of each command; `variables` are the build's own."""
    build, folder = make.build, make.folder
    commands = []
    if build.system is BuildSystem.AUTOTOOLS:
        commands.append(("configure", _configure_autotools(make), folder))
    elif build.configure:
        commands.append(("configure", tuple(_fill(arg, make) for arg in build.configure), folder))
    args = tuple(_list_make_variables(make, variables)) if build.system is BuildSystem.MAKE else ()
    compile = ("make", *args, *(_fill(name, make) for name in build.compile))
    install = ("make", *args, f"DESTDIR={make.staging}", *(_fill(name, make) for name in build.install))
    return [*commands, ("compile", compile, folder), ("install", install, folder)]


def _configure_autotools(make: MakeBuild) -> tuple[str, ...]:
    build, names = make.build, make.placeholders
    script, *further = build.configure or ("configure",)
    shared, static = ("enable", "disable") if make.linkage is Linkage.SHARED else ("disable", "enable")
    return (
        "/bin/sh",
        str(make.source / script),
        f"--build={names['build']}",
        f"--host={names['host']}",
        f"--prefix={PREFIX}",
        f"--libdir={PREFIX}/lib",
        "--disable-dependency-tracking",
        "--disable-maintainer-mode",
        f"--{shared}-shared",
        f"--{static}-static",
        "--with-pic",
        *(_fill(arg, make) for arg in further),
        *(name_switch(name, is_enabled=True) for name in build.enable),
        *(name_switch(name, is_enabled=False) for name in build.disable),
        *(_option(name, value, make) for name, value in sorted(build.options.items())),
    )


def name_switch(name: str, *, is_enabled: bool) -> str:
    """Return the argument for a switch: `--enable-foo` for `foo`, `--with-foo` for `with-foo`."""
    if name.startswith("with-"):
        return f"--{name}" if is_enabled else f"--without-{name.removeprefix('with-')}"
    return f"--{'enable' if is_enabled else 'disable'}-{name}"


def _option(name: str, value: Scalar, make: MakeBuild) -> str:
    text = ("yes" if value else "no") if isinstance(value, bool) else _fill(str(value), make)
    return f"{name}={text}" if _VARIABLE.fullmatch(name) else f"--{name}={text}"


def _list_make_variables(make: MakeBuild, variables: Mapping[str, str]) -> list[str]:
    """Return the variables of a makefile; one without a configure script gets the compilers and the prefix from them."""
    values: dict[str, str] = {}
    if not make.build.configure:
        values = {"prefix": PREFIX, "PREFIX": PREFIX}
        values |= {name: variables[name] for name in ("CC", "CXX", "AR", "RANLIB", "CFLAGS", "CXXFLAGS")}
    options = {
        name: ("yes" if value else "no") if isinstance(value, bool) else _fill(str(value), make)
        for name, value in make.build.options.items()
    }
    return [f"{name}={value}" for name, value in sorted((values | options).items())]


def _fill(text: str, make: MakeBuild) -> str:
    return fill_arguments(text, make.placeholders)
