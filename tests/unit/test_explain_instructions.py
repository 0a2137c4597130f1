"""Instruction sets: which functions use an extension, and whether the file needs it or checks for it first."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.explain.functions import Code, CodeFacts, read_code
from everywheel.explain.instructions import X86Reader
from everywheel.explain.processors import find_processor
from everywheel.explain.startup import list_startup_functions

pytest.importorskip("capstone", reason="requires the extra `explain`")

RET, NOPS = b"\xc3", b"\x90" * 7
# One instruction of each extension, as an assembler encodes it.
ENCODINGS = {
    "SSE3": b"\xf2\x0f\x12\xc1",  # movddup xmm0, xmm1
    "SSSE3": b"\x66\x0f\x38\x00\xc1",  # pshufb xmm0, xmm1
    "SSE4.1": b"\x66\x44\x0f\x38\x40\xc1",  # pmulld xmm8, xmm1
    "SSE4.2": b"\xf2\x0f\x38\xf1\xc1",  # crc32 eax, ecx
    "POPCNT": b"\xf3\x48\x0f\xb8\xc1",  # popcnt rax, rcx
    "CMPXCHG16B": b"\xf0\x48\x0f\xc7\x0f",  # lock cmpxchg16b [rdi]
    "AVX": b"\xc5\xf8\x58\xc1",  # vaddps xmm0, xmm0, xmm1
    "AVX2": b"\xc5\xfd\xfe\xc1",  # vpaddd ymm0, ymm0, ymm1
    "FMA": b"\xc4\xe2\x79\xb8\xc1",  # vfmadd231ps xmm0, xmm0, xmm1
    "F16C": b"\xc4\xe2\x79\x13\xc1",  # vcvtph2ps xmm0, xmm1
    "BMI1": b"\xc4\xe2\x78\xf2\xc1",  # andn eax, eax, ecx
    "BMI2": b"\xc4\xe2\x7b\xf6\xc1",  # mulx eax, eax, ecx
    "LZCNT": b"\xf3\x0f\xbd\xc1",  # lzcnt eax, ecx
    "MOVBE": b"\x0f\x38\xf0\x07",  # movbe eax, [rdi]
    "AVX-512": b"\x62\xf1\x7c\x48\x58\xc1",  # vaddps zmm0, zmm0, zmm1
    "AES": b"\x66\x0f\x38\xdc\xc1",  # aesenc xmm0, xmm1
    "cpuid": b"\x0f\xa2",
}
# Instructions of the baseline whose bytes look like one of an extension.
BASELINE = {
    "an operand": b"\x48\xb8\xc5\xf8\x58\xc1\x90\x90\x90\x90",  # mov rax, 0x90909090c158f8c5
    "an offset": b"\xe8\x66\x0f\x38\x00",  # call
    "add to a register": b"\x48\x83\xc4\x28",  # add rsp, 40
    "bsr": b"\x0f\xbd\xc1",
    "movlps": b"\x66\x0f\x12\x07",  # movlpd xmm0, [rdi]
}


def list_extensions(*functions: bytes) -> list[set[str]]:
    """Return the extensions of each function that uses any."""
    data, starts = b"", []
    for number, function in enumerate(functions):
        starts.append((len(data), f"f{number}"))
        data += function + RET
    facts = CodeFacts(code=(Code(address=0x1000, data=data, functions=tuple(starts)),), symbols=())
    return [set(use.extensions) for use in X86Reader().list_uses(facts)]


@pytest.mark.parametrize("extension", ENCODINGS)
def test_an_instruction_shows_its_extension(extension: str) -> None:
    assert list_extensions(NOPS + ENCODINGS[extension]) == [{extension}]


@pytest.mark.parametrize("case", BASELINE)
def test_other_bytes_of_the_same_value_are_not_instructions(case: str) -> None:
    assert list_extensions(NOPS + BASELINE[case]) == []


def test_an_instruction_far_from_the_beginning_of_its_function_is_found() -> None:
    assert list_extensions(b"\x48\x83\xc4\x28" * 500 + ENCODINGS["AVX2"]) == [{"AVX2"}]


def test_the_extensions_of_functions_are_separate() -> None:
    assert list_extensions(ENCODINGS["AVX2"] + ENCODINGS["BMI2"], NOPS, ENCODINGS["POPCNT"]) == [
        {"AVX2", "BMI2"},
        {"POPCNT"},
    ]


SOURCE = """
typedef int v8 __attribute__((vector_size(32)));
__attribute__((target("avx2"))) void add_avx2(v8 *a) { *a += *a; }
__attribute__((target("sse4.2"))) unsigned plain(unsigned a) { return __builtin_ia32_crc32si(a, 1); }
#ifdef CHECK
int check(void) { return __builtin_cpu_supports("avx2"); }
#endif
#ifdef START
unsigned state;
__attribute__((target("popcnt"), constructor)) static void start(void) { state = __builtin_popcount(state); }
#endif
"""


@pytest.fixture
def compile_source(tmp_path: Path):  # type: ignore[no-untyped-def]
    if (
        shutil.which("gcc") is None
        or "x86_64" not in subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True, check=True).stdout
    ):
        pytest.skip("requires gcc for x86-64")
    (tmp_path / "demo.c").write_text(SOURCE)

    def run(*options: str) -> bytes:
        output = tmp_path / "libdemo.so"
        subprocess.run(["gcc", "-O2", "-fPIC", "-shared", *options, "demo.c", "-o", output], cwd=tmp_path, check=True)
        return output.read_bytes()

    return run


def test_without_a_check_an_extension_in_a_function_is_required_unless_its_name_shows_a_variant(compile_source) -> None:  # type: ignore[no-untyped-def]
    processor = find_processor({"libdemo.so": compile_source()})

    assert {use.extension: (use.is_required, use.reason) for use in processor.uses} == {
        "SSE4.2": (True, "nothing here reads the features of the processor"),
        "AVX": (False, "the names of the functions show that they are for processors that have it"),
        "AVX2": (False, "the names of the functions show that they are for processors that have it"),
    }
    assert processor.name == "x86-64-v2 (SSE4.2)"


def test_with_a_check_only_code_that_runs_at_the_start_is_required(compile_source) -> None:  # type: ignore[no-untyped-def]
    checked = find_processor({"libdemo.so": compile_source("-DCHECK", "-s")})
    started = find_processor({"libdemo.so": compile_source("-DCHECK", "-DSTART")})

    assert checked.name == "any x86-64"
    assert {(u.extension, u.reason) for u in started.uses if u.is_required} == {
        ("POPCNT", "it runs when the file is loaded")
    }
    assert started.name == "x86-64-v2 (POPCNT)"


def test_the_functions_at_the_start_are_found(compile_source) -> None:  # type: ignore[no-untyped-def]
    data = compile_source("-DSTART")
    start = next(symbol.address for symbol in read_code(data).symbols if symbol.name == "start")

    assert start in list_startup_functions(data)


def test_a_malformed_file_is_left_out_and_reported(compile_source) -> None:  # type: ignore[no-untyped-def]
    data = compile_source()

    with pytest.raises(UnreadableElf, match="functions cannot be read"):
        read_code(data[:64])
    assert not find_processor({"libdemo.so": data[:64]}).is_complete
