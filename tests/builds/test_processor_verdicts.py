"""The processor that `explain` states, compared with emulated processors: where a program is stopped, and where it is not."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from everywheel.explain.explanation import explain
from everywheel.explain.subjects import read_subject
from test_compiler_flags import open_toolchain, run

pytest.importorskip("capstone", reason="requires the extra `explain`")

# The program executes one instruction, in one of the variants only if the processor has it.
PROGRAM = """
{include}
__attribute__((noinline)) void use(void) {{ __asm__ volatile("{code}" ::: "memory"{clobbers}); }}
__attribute__((noinline)) int check(void) {{ {check} }}
int main(void) {{
  if (check()) use();
  return 0;
}}
"""
ALWAYS = '__asm__ volatile(""); return 1;'
CPUID = (
    "unsigned a = {leaf}, b, c = 0, d; "
    '__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)); return {register} >> {bit} & 1;'
)
HWCAP = "return getauxval(AT_HWCAP) >> {bit} & 1;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An instruction, a processor without it and one with it, and how a program reads whether there is one."""

    extension: str
    code: str
    check: str
    without: str
    having: str
    clobbers: str = ""


X86_64 = (
    Case(
        extension="SSE4.2",
        code="crc32l %%eax, %%eax",
        check=CPUID.format(leaf=1, register="c", bit=20),
        without="core2duo",
        having="Nehalem",
        clobbers=', "eax"',
    ),
    Case(
        extension="POPCNT",
        code="popcntl %%eax, %%eax",
        check=CPUID.format(leaf=1, register="c", bit=23),
        without="core2duo",
        having="Nehalem",
        clobbers=', "eax"',
    ),
    Case(
        extension="AVX2",
        code="vpaddd %%ymm0, %%ymm0, %%ymm1",
        check=CPUID.format(leaf=7, register="b", bit=5),
        without="Nehalem",
        having="Haswell",
        clobbers=', "xmm1"',
    ),
    Case(
        extension="BMI2",
        code="mulx %%eax, %%eax, %%eax",
        check=CPUID.format(leaf=7, register="b", bit=8),
        without="Nehalem",
        having="Haswell",
        clobbers=', "eax"',
    ),
)
AARCH64 = (
    Case(
        extension="LSE",
        code=".arch armv8.1-a; sub sp, sp, #16; ldadd x1, x1, [sp]; add sp, sp, #16",
        check=HWCAP.format(bit=8),
        without="cortex-a72",
        having="cortex-a76",
        clobbers=', "x1"',
    ),
    Case(
        extension="DotProd",
        code=".arch armv8.2-a+dotprod; sdot v0.4s, v1.16b, v2.16b",
        check=HWCAP.format(bit=20),
        without="cortex-a53",
        having="cortex-a76",
        clobbers=', "v0"',
    ),
    Case(
        extension="FP16",
        code=".arch armv8.2-a+fp16; fadd v0.8h, v1.8h, v2.8h",
        check=HWCAP.format(bit=10),
        without="cortex-a53",
        having="cortex-a76",
        clobbers=', "v0"',
    ),
    Case(
        extension="SVE",
        code=".arch armv8.2-a+sve; cntb x1",
        check=HWCAP.format(bit=22),
        without="cortex-a76",
        having="max",
        clobbers=', "x1"',
    ),
)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_program_that_requires_an_extension_is_stopped_and_one_that_checks_for_it_is_not(
    machine: str, shared_store: Path, tmp_path: Path
) -> None:
    emulator = shutil.which(f"qemu-{machine}-static")
    if emulator is None:
        pytest.skip(f"requires qemu-{machine}-static")
    source, program = tmp_path / "demo.c", tmp_path / "demo"
    with open_toolchain(f"musllinux_1_2_{machine}", shared_store, tmp_path) as toolchain:
        for case in X86_64 if machine == "x86_64" else AARCH64:
            results = {}
            for check in (ALWAYS, case.check):
                include = "#include <sys/auxv.h>" if "getauxval" in check else ""
                source.write_text(PROGRAM.format(include=include, code=case.code, clobbers=case.clobbers, check=check))
                run(toolchain, "cc", "-O1", "-static", source, "-o", program)
                (platform,) = explain(read_subject(str(program))).platforms
                assert platform.processor is not None
                runs = [
                    subprocess.run([emulator, "-cpu", name, program], capture_output=True, check=False).returncode
                    for name in (case.without, case.having)
                ]
                results[check] = (platform.processor.required, [code == 0 for code in runs])
                assert [use.extension for use in platform.processor.uses if use.extension == case.extension]
            assert results == {
                ALWAYS: ((case.extension,), [False, True]),
                case.check: ((), [True, True]),
            }, case.extension


# A table in the code, as assembly has it, and atomic operations that check the processor by themselves.
DATA_IN_CODE = """
#include <stdatomic.h>
extern int read_table(long offset);
atomic_long counter;
__asm__(".text\\n.globl read_table\\n.type read_table,%function\\nread_table:\\n adr x1, 1f\\n ldr w0, [x1, x0]\\n ret\\n"
        "1: .rept 12\\n .word 0xc8e0fc41\\n .word 0x4e829420\\n .word 0x04200000\\n .endr\\n");
int main(void) {
  atomic_fetch_add(&counter, read_table(8));
  return counter != 0x04200000;
}
"""


@pytest.mark.parametrize("option", ["-s", "-g"])
@pytest.mark.parametrize("tag", ["musllinux_1_2_aarch64", "manylinux2014_aarch64"])
def test_tables_in_code_and_atomic_operations_with_an_alternative_are_not_required(
    tag: str, option: str, shared_store: Path, tmp_path: Path
) -> None:
    source, program = tmp_path / "demo.c", tmp_path / "demo"
    source.write_text(DATA_IN_CODE)
    flags = ["-static"] if "musl" in tag else ["-fPIC", "-shared"]
    with open_toolchain(tag, shared_store, tmp_path) as toolchain:
        run(toolchain, "cc", "-O2", "-moutline-atomics", option, *flags, source, "-o", program)

    (platform,) = explain(read_subject(str(program))).platforms

    assert platform.processor is not None
    assert platform.processor.name == "any Armv8.0-A"
    assert [use.extension for use in platform.processor.uses] == ["LSE"]
    if "-static" in flags and (emulator := shutil.which("qemu-aarch64-static")):
        subprocess.run([emulator, "-cpu", "cortex-a53", program], check=True)
