"""The zig engine: cross compilers from PyPI, for every target on any machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.execution.process import run_logged
from everywheel.platforms.target import Target, build_machine_target
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compiler_rt import build_compiler_rt, compiler_rt_identity, find_compiler_rt
from everywheel.toolchains.compilers import Compilers, EngineName
from everywheel.toolchains.flags import SYSTEM_FLAGS
from everywheel.toolchains.toolchain_writer import write_toolchain

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
    """The pinned zig, with its cache in the store."""

    store: Store
    tools: Tools
    name: EngineName = EngineName.ZIG

    def compilers(self, target: Target) -> Compilers:
        """Return the compilers of zig for a target."""
        zig, cache, machine = str(self.tools.zig), str(self.store.root / "zig"), build_machine_target()
        return Compilers(
            c=_make_command(zig, "cc", target),
            cxx=_make_command(zig, "c++", target),
            build_c=_make_command(zig, "cc", machine),
            build_cxx=_make_command(zig, "c++", machine),
            ar=(zig, "ar"),
            ranlib=(zig, "ranlib"),
            dlltool=(zig, "dlltool"),
            windres=(zig, "rc"),
            environment={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
            # Without the flag, zig compiles libc++ on first use, which takes a minute for each target and the build machine.
            no_cxx_library=("-nostdlib++",),
            link=(str(find_compiler_rt(self.store.root / "zig", target)),) if target.os == "linux" else (),
        )

    def prime_cache(self, target: Target) -> None:
        """Compile the libc of a target into the cache of zig, once for each store.

        Otherwise each of several parallel links would compile it, and may fail
        (https://github.com/ziglang/zig/issues/18989). For Linux, this also builds the archive that `compilers` adds to every
        link. Raises BuildError when zig fails, and MachineError when its sources do not have the expected structure.
        """
        root = self.store.root
        log = root / "logs" / f"compiler-{target.tag}.log"

        def fill(_: Path) -> None:
            log.unlink(missing_ok=True)
            if target.os == "linux":
                environment = self.compilers(target).environment
                build_compiler_rt(target, self.tools, root / "zig", environment=environment, log=log)
            self._link_empty_program(target, log)

        path = root / "zig" / f"primed-{compiler_rt_identity()}-{target.zig}"
        ensure_stamped_dir(path, fill, title=f"compiler for {target.tag}")

    def _link_empty_program(self, target: Target, log: Path) -> None:
        with TemporaryDirectory(dir=self.store.root / "tmp") as folder:
            workspace = Path(folder)
            toolchain = write_toolchain(target, self.compilers(target), self.tools, workspace)
            source = workspace / "empty.c"
            source.write_text("int main(void) { return 0; }\n")
            for flags in (["-shared", "-fPIC"], []):
                run_logged(
                    [toolchain.program("cc"), *flags, source, "-o", workspace / "out"],
                    cwd=workspace,
                    env=toolchain.environment,
                    log=log,
                    label=f"compiler for {target.tag}",
                )


def _make_command(zig: str, driver: str, target: Target) -> tuple[str, ...]:
    # zig links programs for musl statically by default (https://github.com/ziglang/zig/issues/11909), and spends half a
    # minute on compiling all of musl for that; a wheel is always loaded by a dynamic musl.
    dynamic = ("-dynamic",) if target.libc == "musl" else ()
    system = SYSTEM_FLAGS[target.os].zig
    return (zig, driver, "-target", target.zig, *target.arch.zig_flags, *dynamic, *system, *_FLAGS)
