"""The zig engine: cross compilers from PyPI, for every target on any machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.execution.files import remove_path
from everywheel.execution.process import run_logged
from everywheel.platforms.target import Target, build_machine_target
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compiler_rt import build_compiler_rt, compiler_rt_identity, find_compiler_rt
from everywheel.toolchains.compilers import Compilers, EngineName
from everywheel.toolchains.flags import SYSTEM_FLAGS
from everywheel.toolchains.toolchain import Toolchain
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.toolchains.windows_names import find_definitions, find_overlay, windows_names_identity, write_overlay
from everywheel.toolchains.zig_cache import cache_variables, copy_cache, return_cache, strip_cache

_FLAGS = (
    # Without -O, zig would first compile a debug build of its compiler_rt. A later -O takes precedence over this one.
    "-O2",
    # zig traps undefined behavior in C by default: https://github.com/ziglang/zig/issues/5163
    "-fno-sanitize=undefined",
    # zig makes __DATE__ an error, although SOURCE_DATE_EPOCH fixes its value: https://github.com/ziglang/zig/pull/20821
    "-Wno-error=date-time",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigEngine:
    """The pinned zig; `cache` is the directory with the private caches of a run."""

    store: Store
    tools: Tools
    cache: Path
    name: EngineName = EngineName.ZIG

    def compilers(self, target: Target) -> Compilers:
        """Return the compilers of zig for a target."""
        zig, machine = str(self.tools.zig), build_machine_target()
        headers = ("-ivfsoverlay", str(find_overlay(self._windows_names))) if target.os == "windows" else ()
        return Compilers(
            c=(*_make_command(zig, "cc", target), *headers),
            cxx=(*_make_command(zig, "c++", target), *headers),
            build_c=_make_command(zig, "cc", machine),
            build_cxx=_make_command(zig, "c++", machine),
            ar=(zig, "ar"),
            ranlib=(zig, "ranlib"),
            dlltool=(zig, "dlltool"),
            windres=(zig, "rc"),
            environment=cache_variables(self._find_cache(target)),
            # Without the flag, zig compiles libc++ on first use, which takes a minute for each target and the build machine.
            no_cxx_library=("-nostdlib++",),
            cxx_library="c++",
            operator_new=_find_operator_new(self.tools.zig) if target.os == "darwin" else (),
            cxx_exceptions=_find_exceptions(self.tools.zig) if target.os != "windows" else (),
            link=(str(find_compiler_rt(self._find_stored(target))),) if target.os == "linux" else (),
            definitions=find_definitions(self.tools.zig) if target.os == "windows" else (),
            folders=(self.store.root, self.store.root / "tools", self.tools.zig.parent),
        )

    def prime_cache(self, target: Target) -> None:
        """Copy the libraries of zig for a target into the cache of this run; they are compiled once for each store.

        Otherwise each of several parallel links would compile them, and may fail
        (https://github.com/ziglang/zig/issues/18989). For Linux, this also builds the archive that `compilers` adds to every
        link. Raises BuildError when zig fails, and MachineError when its sources do not have the expected structure.
        """
        if target.os == "windows":
            write = partial(write_overlay, self.tools.zig)
            ensure_stamped_dir(self._windows_names, write, title=f"names of headers for {target.tag}")
        for compiled in dict.fromkeys((build_machine_target(), target)):
            stored = ensure_stamped_dir(
                self._find_stored(compiled), partial(self._compile, compiled), title=f"compiler for {compiled.tag}"
            )
            copy_cache(stored, self._find_cache(target))

    def return_caches(self) -> None:
        """Add the libraries that zig compiled in this run, such as libc++, to the store."""
        for private in self.cache.iterdir():
            return_cache(self._find_stored_by_name(private.name), private)

    @property
    def _windows_names(self) -> Path:
        return self.store.root / "tools" / f"windows-names-{windows_names_identity(self.tools.zig)}"

    def _find_cache(self, target: Target) -> Path:
        return self.cache / target.zig

    def _find_stored(self, target: Target) -> Path:
        return self._find_stored_by_name(target.zig)

    def _find_stored_by_name(self, name: str) -> Path:
        return self.store.root / "zig" / f"compiled-{compiler_rt_identity()}-{name}"

    def _compile(self, target: Target, folder: Path) -> None:
        """Compile the libraries of zig for a target into an empty directory."""
        log = self.store.root / "logs" / f"compiler-{target.tag}.log"
        remove_path(log)
        environment = cache_variables(folder)
        if target.os == "linux":
            archive = find_compiler_rt(folder)
            build_compiler_rt(target, self.tools, archive, environment=environment, log=log)
        with TemporaryDirectory(dir=self.store.root / "tmp") as name:
            workspace = Path(name)
            toolchain = write_toolchain(target, self.compilers(target), self.tools, workspace)
            source = workspace / "empty.c"
            source.write_text("int main(void) { return 0; }\n")
            for kind, flags in product((("-shared", "-fPIC"), ()), _list_link_flags(toolchain)):
                run_logged(
                    [toolchain.program("cc"), *kind, source, *flags, "-o", workspace / "out"],
                    cwd=workspace,
                    env={**toolchain.environment, **environment},
                    log=log,
                    label=f"compiler for {target.tag}",
                )
        strip_cache(folder)


def _list_link_flags(toolchain: Toolchain) -> tuple[tuple[str, ...], ...]:
    """Return the flags of the links for a target: zig compiles its run-time library again for each level and without -s.

    Meson also links programs for the build machine, without flags, to check its compiler.
    """
    return (toolchain.link_flags, *([()] if toolchain.target == build_machine_target() else []))


def _find_operator_new(zig: Path) -> tuple[str, ...]:
    """Return the source and the flags of zig's operators new and delete, which its C++ library exports on every target."""
    return (*_find_cxx_headers(zig), str(zig.parent / "lib" / "libcxxabi" / "src" / "stdlib_new_delete.cpp"))


def _find_exceptions(zig: Path) -> tuple[str, ...]:
    """Return the source and the flags of zig's functions that compare types of exceptions, so that they compare names.

    zig links its C++ library into each shared library. By default, it compares the addresses of type information, so that a
    module could not catch what a shared library throws. With the flag it does what it does on Windows.
    """
    flags = ("-D_LIBCPP_TYPEINFO_COMPARISON_IMPLEMENTATION=2", "-D_LIBCXXABI_DISABLE_VISIBILITY_ANNOTATIONS")
    source = zig.parent / "lib" / "libcxxabi" / "src" / "private_typeinfo.cpp"
    return (*flags, "-D_LIBCXXABI_BUILDING_LIBRARY", "-fvisibility=hidden", *_find_cxx_headers(zig), str(source))


def _find_cxx_headers(zig: Path) -> tuple[str, ...]:
    library = zig.parent / "lib" / "libcxxabi"
    headers = (library / "include", library / "src", zig.parent / "lib" / "libcxx" / "src")
    return tuple(f"-I{folder}" for folder in headers)


def _make_command(zig: str, driver: str, target: Target) -> tuple[str, ...]:
    # zig links programs for musl statically by default (https://github.com/ziglang/zig/issues/11909), and spends half a
    # minute on compiling all of musl for that; a wheel is always loaded by a dynamic musl.
    dynamic = ("-dynamic",) if target.libc == "musl" else ()
    system = SYSTEM_FLAGS[target.os].zig
    branches = target.arch.find_branch_flags(target.libc, target.libc_version)
    return (zig, driver, "-target", target.zig, *target.arch.zig_flags, *branches, *dynamic, *system, *_FLAGS)
