"""Engines: where a step runs, and with which compilers.

`zig` compiles for every target on any machine; `native` uses the compilers of the machine itself; `container` runs the
native engine in build images.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from everywheel.platforms.target import Target


class EngineName(StrEnum):
    """The engines that a user can name."""

    ZIG = "zig"
    CONTAINER = "container"
    NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilers:
    """The programs that compile for one target, each as the words that start it, and what they can do.

    `build_c` and `build_cxx` compile for the build machine. `dlltool` makes import libraries of Windows out of definition
    files, `windres` compiles its resources. `path` are further folders for PATH, `environment` further
    variables. `runs_target` tells whether compiled programs can be run as they are, `undefined_version` whether the
    linker must be told that a version script may name absent symbols, `no_cxx_library` is the flag that leaves the
    C++ library out of a link, where there is one, and `link` are flags for every link. Where a script is no program,
    `launcher` is what wrappers are copies of.
    """

    c: tuple[str, ...]
    cxx: tuple[str, ...]
    build_c: tuple[str, ...]
    build_cxx: tuple[str, ...]
    ar: tuple[str, ...]
    ranlib: tuple[str, ...]
    dlltool: tuple[str, ...] = ()
    windres: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    runs_target: bool = False
    undefined_version: bool = True
    no_cxx_library: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    launcher: Path | None = None


class Engine(Protocol):
    """What builds a library: its compilers for a target; `warm` makes them ready, once for each target."""

    @property
    def name(self) -> EngineName: ...
    def compilers(self, target: Target) -> Compilers: ...
    def prime_cache(self, target: Target) -> None: ...
