"""Engines: the environments in which a step runs, each with its compilers.

`zig` compiles for every target on any machine. `native` uses the compilers of the build machine. `container` runs the native
engine in build images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from everywheel.platforms.target import Target


class EngineName(StrEnum):
    """The engines that a user can choose."""

    ZIG = "zig"
    CONTAINER = "container"
    NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilers:
    """The compilers and binary utilities for one target, each as the command that starts it.

    Attributes:
        c, cxx: the compilers for the target.
        build_c, build_cxx: the compilers for the build machine.
        ar, ranlib: the programs that write archives.
        dlltool: the program that makes import libraries from definition files; only for Windows.
        windres: the resource compiler; only for Windows.
        path: additional directories for PATH.
        environment: additional environment variables.
        runs_target: whether programs for the target run on the build machine.
        undefined_version: whether the linker needs a flag for version scripts that name undefined symbols.
        no_cxx_library: the flag that links C++ code without the C++ library, if there is one.
        cxx_library: the name of the C++ library, if it is not `stdc++`, which build files write into .pc files.
        operator_new: a source of `operator new` and `operator delete`, with the flags to compile it, for a C++ library that
            is linked statically and exports them.
        cxx_exceptions: a source of the functions that compare the types of exceptions, with the flags to compile it, for a
            C++ library that compares them by their addresses, although each shared library contains a copy of it.
        link: flags for every link.
        definitions: the directories with the definition files of the system's libraries, which have lowercase names; only for
            Windows.
        folders: the directories outside of the workspace that builds may name in arguments; if it is empty, all are allowed.
        launcher: the compiled program that is copied as every wrapper, on a build machine that cannot start scripts.
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
    environment: Mapping[str, str] = field(default_factory=dict)
    runs_target: bool = False
    undefined_version: bool = True
    no_cxx_library: tuple[str, ...] = ()
    cxx_library: str = ""
    operator_new: tuple[str, ...] = ()
    cxx_exceptions: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    definitions: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()
    launcher: Path | None = None


class Engine(Protocol):
    """An environment in which libraries are built; `prime_cache` is called once for each target before any build."""

    @property
    def name(self) -> EngineName: ...
    def compilers(self, target: Target) -> Compilers: ...
    def prime_cache(self, target: Target) -> None: ...
