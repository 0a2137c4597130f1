"""Instruction sets: which functions use an extension, and whether the file needs it or checks for it first."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.explain.arm64_instructions import Arm64Reader, classify, is_candidate
from everywheel.explain.code import Bound, Code, CodeFacts, FunctionUse
from everywheel.explain.elf_code import read_elf_code
from everywheel.explain.instruction_sets import find_instruction_set
from everywheel.explain.processors import Processor, find_processor
from everywheel.explain.x86_instructions import X86Reader

capstone = pytest.importorskip("capstone", reason="requires the extra `explain`")

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


def find_x86_processor(data: bytes) -> Processor:
    instruction_set = find_instruction_set("Linux", "x86_64")
    assert instruction_set is not None
    return find_processor(instruction_set, {"libdemo.so": read_elf_code(data)})


def list_extensions(*functions: bytes) -> list[set[str]]:
    """Return the extensions of each function that uses any."""
    data, starts = b"", []
    for number, function in enumerate(functions):
        starts.append((len(data), f"f{number}"))
        data += function + RET
    facts = CodeFacts(code=(Code(address=0x1000, data=data, functions=tuple(starts)),), symbols=frozenset())
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
    processor = find_x86_processor(compile_source())

    assert {use.extension: (use.is_required, use.reason) for use in processor.uses} == {
        "SSE4.2": (True, "nothing here reads the features of the processor"),
        "AVX": (False, "the names of the functions show that they are for processors that have it"),
        "AVX2": (False, "the names of the functions show that they are for processors that have it"),
    }
    assert processor.name == "x86-64-v2 (SSE4.2)"


def test_with_a_check_only_code_that_runs_at_the_start_is_required(compile_source) -> None:  # type: ignore[no-untyped-def]
    checked = find_x86_processor(compile_source("-DCHECK", "-s"))
    started = find_x86_processor(compile_source("-DCHECK", "-DSTART"))

    assert checked.name == "any x86-64"
    assert {(u.extension, u.reason) for u in started.uses if u.is_required} == {
        ("POPCNT", "it runs when the file is loaded")
    }
    assert started.name == "x86-64-v2 (POPCNT)"


def test_the_functions_at_the_start_are_found(compile_source) -> None:  # type: ignore[no-untyped-def]
    data = compile_source("-DSTART")
    facts = read_elf_code(data)
    names = {section.address + offset: name for section in facts.code for offset, name in section.functions}
    (start,) = [address for address, name in names.items() if name == "start"]

    assert start in facts.startup


def test_the_code_of_a_malformed_file_is_an_error(compile_source) -> None:  # type: ignore[no-untyped-def]
    data = compile_source()

    with pytest.raises(UnreadableElf, match=rf"^truncated: 64 of {len(data)} bytes$"):
        read_elf_code(data[:64])
    with pytest.raises(UnreadableElf, match=r"^its functions cannot be read "):
        read_elf_code(data[:62] + b"\xf0\x0f" + data[64:])  # the section with the names of sections


# One instruction of each extension of arm64, as an assembler encodes it.
ARM64 = {
    "CRC32": 0x9AC24C20,  # crc32x w0, w1, x2
    "LSE": 0xC8E0FC41,  # casal x0, x1, [x2]
    "RDM": 0x6E828420,  # sqrdmlah v0.4s, v1.4s, v2.4s
    "FP16": 0x4E401400,  # fadd v0.8h, v0.8h, v0.8h
    "DotProd": 0x4E829420,  # sdot v0.4s, v1.16b, v2.16b
    "FHM": 0x4E22EC20,  # fmlal v0.4s, v1.4h, v2.4h
    "FCMA": 0x6E82C420,  # fcmla v0.4s, v1.4s, v2.4s, #0
    "JSCVT": 0x1E7E0000,  # fjcvtzs w0, d0
    "RCPC": 0x38BFC020,  # ldaprb w0, [x1]
    "PAuth": 0xD65F0BFF,  # retaa
    "BF16": 0x6E40EC20,  # bfmmla v0.4s, v1.8h, v0.8h
    "I8MM": 0x4E82A420,  # smmla v0.4s, v1.16b, v2.16b
    "SVE": 0x04200000,  # add z0.b, z0.b, z0.b
    "SME": 0x80800000,  # fmopa za0.s, p0/m, p0/m, z0.s, z0.s
    "AES": 0x4E284820,  # aese v0.16b, v1.16b
    "SHA2": 0x5E024020,  # sha256h q0, q1, v2.4s
    "SHA3": 0xCE020420,  # eor3 v0.16b, v1.16b, v2.16b, v1.16b
    "cpuid": 0xD5380600,  # mrs x0, id_aa64isar0_el1
}
# Instructions of the baseline that resemble one of an extension. Those that sign return addresses are hints.
ARM64_BASELINE = {
    "add of vectors": 0x4EA28420,  # add v0.4s, v1.4s, v2.4s
    "floating point": 0x1E622820,  # fadd d0, d1, d2
    "conversion from half precision": 0x1EE24020,  # fcvt s0, h1
    "pmull of bytes": 0x0E22E020,  # pmull v0.8h, v1.8b, v2.8b
    "paciasp": 0xD503233F,
    "bti c": 0xD503245F,
    "exclusive load": 0xC85FFC20,  # ldaxr x0, [x1]
}
ARM64_NOP, ARM64_RET = 0xD503201F, 0xD65F03C0


def list_arm64_extensions(*values: int) -> list[set[str]]:
    data = struct.pack(f"<{len(values)}I", *values)
    facts = CodeFacts(code=(Code(address=0x1000, data=data, functions=((0, "f"),)),), symbols=frozenset())
    return [set(use.extensions) for use in Arm64Reader().list_uses(facts)]


@pytest.mark.parametrize("extension", ARM64)
def test_an_instruction_of_arm64_shows_its_extension(extension: str) -> None:
    assert list_arm64_extensions(*[ARM64_NOP] * 5, ARM64[extension], ARM64_RET) == [{extension}]


@pytest.mark.parametrize("case", ARM64_BASELINE)
def test_instructions_that_every_arm64_processor_has_are_not_counted(case: str) -> None:
    assert list_arm64_extensions(*[ARM64_NOP] * 5, ARM64_BASELINE[case], ARM64_RET) == []


def test_tables_in_the_code_of_arm64_are_not_instructions() -> None:
    assert list_arm64_extensions(ARM64_RET, 0x20, 0x48, ARM64["SVE"], 0x60, 0x84) == []


def test_no_instruction_of_an_extension_is_skipped_before_it_is_decoded() -> None:
    values = random.Random(7)
    data = struct.pack("<200000I", *(values.getrandbits(32) for _ in range(200_000)))
    decoder = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    decoder.skipdata = True

    skipped = [
        f"{mnemonic} {operands}"
        for address, _, mnemonic, operands in decoder.disasm_lite(data, 0)
        if classify(mnemonic, operands) and not is_candidate(struct.unpack_from("<I", data, address)[0])
    ]

    assert skipped == []


def test_the_level_of_arm64_is_that_of_the_newest_extension_without_a_check() -> None:
    values = (*[ARM64_NOP] * 5, ARM64["LSE"], ARM64["DotProd"], ARM64_RET)
    code = Code(address=0, data=struct.pack(f"<{len(values)}I", *values), functions=((0, "f"),))
    linux, mac = find_instruction_set("Linux", "aarch64"), find_instruction_set("macOS", "arm64")
    assert linux is not None
    assert mac is not None

    plain = find_processor(linux, {"a.so": CodeFacts(code=(code,), symbols=frozenset())})
    checked = find_processor(linux, {"a.so": CodeFacts(code=(code,), symbols=frozenset(("getauxval",)))})
    on_mac = find_processor(mac, {"a.so": CodeFacts(code=(code,), symbols=frozenset())}, system="macOS")

    assert plain.name == "Armv8.2-A (LSE, DotProd)"
    assert (checked.name, on_mac.name) == ("any Armv8.0-A", "any processor of macOS")
    assert on_mac.uses == ()


def test_assembly_after_a_function_that_runs_at_the_start_is_not_part_of_it() -> None:
    values = (ARM64_RET, *[ARM64_NOP] * 4, ARM64["DotProd"], ARM64_RET)
    code = Code(address=0x1000, data=struct.pack(f"<{len(values)}I", *values), functions=((0, ""),))

    for startup, uses in ((frozenset((0x1000,)), 0), (frozenset[int](), 1)):
        facts = CodeFacts(code=(code,), symbols=frozenset(), startup=startup)
        assert len(list(Arm64Reader().list_uses(facts))) == uses


def list_arm64_uses(
    *values: int, functions: tuple[tuple[int, str], ...] = ((0, "f"),), bounds: dict[int, Bound] | None = None
) -> list[FunctionUse]:
    """Return the uses in code of an ELF file; bounds are by offset."""
    code = Code(
        address=0x1000,
        data=struct.pack(f"<{len(values)}I", *values),
        functions=functions,
        bounds={
            0x1000 + start: Bound(end=0x1000 + b.end, has_handlers=b.has_handlers)
            for start, b in (bounds or {}).items()
        },
    )
    return list(Arm64Reader().list_uses(CodeFacts(code=(code,), symbols=frozenset())))


TABLE = (ARM64["LSE"], ARM64["DotProd"], ARM64["SVE"]) * 6
# Branches over two instructions, and back over two.
ARM64_BRANCHES = {
    "b": (0x14000003, 0x17FFFFFE),
    "b.ne": (0x54000061, 0x54FFFFC1),
    "cbnz": (0xB5000060, 0xB5FFFFC0),
    "tbz": (0x36000060, 0x3607FFC0),
}


def test_a_table_after_a_function_is_data() -> None:
    assert list_arm64_uses(*[ARM64_NOP] * 4, ARM64_RET, *TABLE) == []
    assert list_arm64_uses(ARM64_RET, *TABLE, functions=(), bounds={}) == []


@pytest.mark.parametrize("branch", ARM64_BRANCHES)
def test_what_a_branch_reaches_is_code(branch: str) -> None:
    forward, back = ARM64_BRANCHES[branch]
    after, before = (forward, ARM64_NOP, ARM64_RET), (ARM64_NOP, ARM64_NOP, back, ARM64_RET)

    assert [use.extensions for use in list_arm64_uses(*after, *[ARM64["LSE"]] * 9)] == [{"LSE"}]
    assert [use.extensions for use in list_arm64_uses(*before[:2], ARM64["LSE"], *before[2:], *TABLE)] == [{"LSE"}]


def test_after_a_jump_to_an_address_in_a_register_everything_in_a_function_may_be_code() -> None:
    jump = 0xD61F0020  # br x1

    assert [use.extensions for use in list_arm64_uses(jump, ARM64_RET, ARM64["LSE"], *[ARM64_NOP] * 5)] == [{"LSE"}]


def test_parts_of_a_function_that_only_exceptions_reach_are_code() -> None:
    values = (*[ARM64_NOP] * 4, ARM64_RET, *TABLE)

    uses = [
        [use.extensions for use in list_arm64_uses(*values, bounds={0: Bound(end=4 * end, has_handlers=True)})]
        for end in (len(values), 5)
    ]

    assert uses == [[{"LSE", "DotProd", "SVE"}], []]


def test_assembly_without_a_name_belongs_to_the_place_that_is_called() -> None:
    call = 0x94000005  # five instructions ahead
    values = (call, ARM64_RET, *[ARM64_NOP] * 5, ARM64["DotProd"], ARM64_RET, *TABLE)

    (use,) = list_arm64_uses(*values, bounds={0: Bound(end=8)})

    assert (use.name, use.address, use.extensions) == ("", 0x1000 + 4 * 5, {"DotProd"})


def test_an_atomic_operation_with_an_alternative_is_optional() -> None:
    """The code is that of `__aarch64_swp4_rel` of Rust."""
    replacement = (0xB0000010, 0x39400210, 0x34000070, 0xB8608020, ARM64_RET)
    loop = (0x2A0003F0, 0x885F7C20, 0x8811FC30, 0x35FFFFD1, ARM64_RET)
    without_test = (*replacement[:2], ARM64_NOP, *replacement[3:], *loop)
    linux = find_instruction_set("Linux", "aarch64")
    assert linux is not None

    def judge(*values: int) -> tuple[str, list[str]]:
        code = Code(address=0x1000, data=struct.pack(f"<{len(values)}I", *values), functions=((0, ""),), bounds={})
        result = find_processor(linux, {"a.so": CodeFacts(code=(code,), symbols=frozenset(("malloc",)))})
        return result.name, [use.reason for use in result.uses]

    assert judge(*replacement, *loop) == (
        "any Armv8.0-A",
        ["its functions test first whether the processor has it, and do the same without it otherwise"],
    )
    assert judge(*without_test) == ("Armv8.1-A (LSE)", ["nothing here reads the features of the processor"])


@pytest.mark.parametrize(("extension", "hint"), [("SVE", 0x04E0E3E0), ("MTE", 0xD9200800)], ids=["cntd", "stg"])
def test_what_the_code_of_gcc_that_unwinds_the_stack_uses_does_not_count_by_itself(extension: str, hint: int) -> None:
    others = {"SVE": ARM64["SVE"], "MTE": 0x9ADF1000}  # irg x0, x0

    assert list_arm64_uses(*[ARM64_NOP] * 4, hint, ARM64_RET) == []
    (use,) = list_arm64_uses(*[ARM64_NOP] * 4, hint, others[extension], ARM64_RET)
    assert use.extensions == {extension}


@pytest.mark.parametrize("first", [0x52800200, 0xD2800200], ids=["w0", "x0"])
def test_a_static_program_reads_the_features_with_two_calls_of_one_function(first: int) -> None:
    second = first + (10 << 5)  # 26 instead of 16
    save = 0xAA0003F3  # mov x19, x0
    same = (first, 0x94000020, save, second, 0x94000000 + 0x20 - 3, ARM64_RET)
    other = (first, 0x94000020, save, second, 0x94000000 + 0x21 - 3, ARM64_RET)

    assert [use.extensions for use in list_arm64_uses(*same)] == [{"cpuid"}]
    assert list_arm64_uses(*other) == []


def test_extensions_without_a_level_have_an_order() -> None:
    instruction_set = find_instruction_set("Linux", "x86_64")
    assert instruction_set is not None

    names = sorted({"SHA", "ADX", "AVX2", "PCLMUL", "AES", "SSE3"}, key=instruction_set.order)

    assert names == ["SSE3", "AVX2", "ADX", "AES", "PCLMUL", "SHA"]
