"""Recipes: how one native library is obtained and built, as frozen values.

There are two stages. A `Recipe` is read by `recipe_loader` and still contains conditions; `recipe_resolver` evaluates them
for one target, one choice of features and one linkage, and returns a `ResolvedRecipe`, in which nothing is conditional.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from everywheel.config.source import Source
from everywheel.platforms.target import Target

Scalar = str | bool | int


class BuildSystem(StrEnum):
    """The build systems that recipes support."""

    AUTOTOOLS = "autotools"
    CMAKE = "cmake"
    HEADERS = "headers"
    MAKE = "make"
    MESON = "meson"

    @property
    def programs(self) -> tuple[str, ...]:
        """The recipes of the programs that every build of the system runs, in addition to the toolkit's own tools."""
        return ("make",) if self in (BuildSystem.AUTOTOOLS, BuildSystem.MAKE) else ()


class Linkage(StrEnum):
    """How libraries reach a module: as shared libraries, as archives inside it, or from the user's system.

    For a recipe, only shared and static are possible.
    """

    SHARED = "shared"
    STATIC = "static"
    SYSTEM = "system"


class Optimize(StrEnum):
    """The goal of the compiler's optimization: -O3, -O2 or -Os."""

    SPEED = "speed"
    BALANCED = "balanced"
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """An SPDX expression and the files of the source that contain the license texts."""

    spdx: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How to configure and compile: the build system, its options, and the compiler's flags.

    `cxx_runtime` is false for C++ code that uses only the headers of the C++ library: it is compiled without exceptions and
    RTTI, and libc++ is not linked. `configure` is the command that configures for `make`, or the script of `autotools`;
    `compile` and `install` are targets of make. `machine_programs` are programs of the build machine.
    """

    system: BuildSystem
    subdir: str = ""
    configure: tuple[str, ...] = ()
    compile: tuple[str, ...] = ()
    install: tuple[str, ...] = ("install",)
    machine_programs: tuple[str, ...] = ()
    options: Mapping[str, Scalar] = field(default_factory=dict)
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    optimize: Optimize = Optimize.BALANCED
    cxx_runtime: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """An optional part of a library: its requirements, the options that enable it, and the proof that it works.

    `exports`, `provides` and `evidence` are added to those of `Products`.
    """

    name: str
    requires: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()
    enable: tuple[str, ...] = ()
    options: Mapping[str, Scalar] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """The files that a recipe promises, relative to the prefix, and the symbols that it exports.

    `exports` are glob patterns; a shared library may define no other dynamic symbol. `provides` are names of features that
    `check.c` must confirm when it runs with the library, `evidence` strings that the binary must contain.
    """

    libraries: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    pkgconfig: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    sonames: Mapping[str, str] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Changes to a recipe for the targets and linkages that match `when`.

    `when` maps the names of facts (`os`, `libc`, `arch`, `endian`, `linkage`) to glob patterns, all of which must match.
    `unsupported` is the reason for which the library cannot be built for them, or empty.
    """

    when: Mapping[str, str]
    requires: tuple[str, ...]
    build_requires: tuple[str, ...]
    enable: tuple[str, ...]
    disable: tuple[str, ...]
    defines: tuple[str, ...]
    flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    options: Mapping[str, Scalar]
    provides: tuple[str, ...]
    evidence: tuple[str, ...]
    system: BuildSystem | None = None
    exports: tuple[str, ...] = ()
    configure: tuple[str, ...] = ()
    unsupported: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A validated recipe that still contains conditions.

    `files` maps every file next to recipe.toml (overlay, patches, check program), relative to `directory`, to its sha256;
    `executables` are the names of those with the executable bit. `alternatives` are recipes that install files with the same
    names, so that a wheel uses one of them only.
    """

    name: str
    version: str
    summary: str
    cpe: str
    directory: Path
    license: License
    source: Source
    build: Build
    products: Products
    requires: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()
    features: Mapping[str, Feature] = field(default_factory=dict)
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    alternatives: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    executables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRecipe:
    """A recipe for one target, one choice of features and one linkage, without conditions.

    `build` and `products` include the additions of the chosen features and of the matching overrides. `files` and
    `executables` are those of `Recipe`; `overlay` are the names in `files` of the recipe's own build files, `patches` those
    of its own patches in the order in which they are applied, and `check` is the program that verifies the features.
    """

    name: str
    version: str
    cpe: str
    target: Target
    linkage: Linkage
    features: tuple[str, ...]
    license: License
    source: Source
    build: Build
    products: Products
    requires: tuple[str, ...]
    build_requires: tuple[str, ...]
    directory: Path
    files: Mapping[str, str]
    executables: tuple[str, ...]
    overlay: tuple[str, ...]
    patches: tuple[str, ...]
    check: Path | None

    @property
    def label(self) -> str:
        """The name used in messages: `libvips 8.16.1 for musllinux_1_2_aarch64`."""
        return f"{self.name} {self.version} for {self.target.tag}"
