"""The zig engine: a cross toolchain from PyPI, for every target on any machine."""

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
from everywheel.toolchains.toolchain import write_toolchain

# zig traps undefined behaviour unless told not to, and takes __DATE__ for an error though SOURCE_DATE_EPOCH pins it.
# Linking without -O makes it compile a debug build of its compiler run time, four times slower; a later -O wins.
_FLAGS = ("-O2", "-fno-sanitize=undefined", "-Wno-error=date-time")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigEngine:
    """zig out of the tools, with its cache in the store."""

    store: Store
    tools: Tools
    name: EngineName = EngineName.ZIG

    def compilers(self, target: Target) -> Compilers:
        """Return zig's compilers for a target."""
        zig, cache, here = str(self.tools.zig), str(self.store.root / "zig"), build_machine_target()
        return Compilers(
            c=_words(zig, "cc", target),
            cxx=_words(zig, "c++", target),
            build_c=_words(zig, "cc", here),
            build_cxx=_words(zig, "c++", here),
            ar=(zig, "ar"),
            ranlib=(zig, "ranlib"),
            dlltool=(zig, "dlltool"),
            windres=(zig, "rc"),
            environment={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
            # Before zig links libc++ it compiles it, a minute for each target; the build machine's own is one of them.
            no_cxx_library=("-nostdlib++",),
            link=(str(find_compiler_rt(self.store.root / "zig", target)),) if target.os == "linux" else (),
        )

    def prime_cache(self, target: Target) -> None:
        """Let zig compile a target's libc into its cache, once for each store: parallel first links would all compile it.

        For Linux, also compile the archive that `compilers` adds to every link.
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
                    what=f"compiler for {target.tag}",
                )


def _words(zig: str, driver: str, target: Target) -> tuple[str, ...]:
    # By default zig links musl programs statically and first compiles all of musl, half a minute, for that; wheels are
    # loaded by a dynamic musl anyway.
    dynamic = ("-dynamic",) if target.libc == "musl" else ()
    # Told nothing, not even -g0 keeps it from writing into objects for Windows where they were made.
    stripped = ("-s",) if target.os == "windows" else ()
    return (zig, driver, "-target", target.zig, *target.arch.zig_flags, *dynamic, *stripped, *_FLAGS)
