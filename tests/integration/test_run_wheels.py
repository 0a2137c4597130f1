"""The wheels pass the extension's tests on glibc and musl systems; their type stubs are correct."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from root_filesystems import REPOSITORY, call, call_in_root, download_wheels, make_musl_root

MYPY = "mypy==2.4.1"


# Names in the stubs that do not exist at run time: __buffer__ before CPython 3.12 (PEP 688), and a module only with types.
ONLY_IN_STUBS = "webpencode._webpencode.Pixels.__buffer__\nwebpencode._types\n"

CORRECT_CALLS = """
import array, io, mmap, pathlib, sys, tempfile, typing
from collections.abc import Iterator
import numpy as np, PIL.Image
import webpencode
from webpencode import decode, encode, encode_many, encode_to, probe

def sources(mapped: mmap.mmap) -> Iterator[bytes]:
    for source in (b"x", bytearray(b"x"), memoryview(b"x"), mapped, array.array("B"), "x", pathlib.Path("x"), io.BytesIO()):
        probe(source)
        decode(source, width=5, fit="cover")
        yield encode(source)
    with open("x", "rb") as file, tempfile.TemporaryFile() as other:
        yield encode(file)
        yield encode(other)
        encode_to("x", file, quality=np.int64(5), keep=("icc", "xmp"), target_size=None)
    encode_to(pathlib.Path("x"), io.BytesIO(), background=(1, 2, 3), loop=0)
    encode_to(PIL.Image.new("RGB", (1, 1)), sys.stdout.buffer)
    yield encode(np.zeros((2, 2, 3), np.uint8))
    yield encode(decode("x"))

info = probe("x")
typing.assert_type(info, webpencode.Info)
typing.assert_type(info.width, int)
typing.assert_type(info.format, str)
typing.assert_type(info.has_alpha, bool)
typing.assert_type(encode_to("x", "y"), int)
typing.assert_type(next(encode_many(["x", b"x"], workers=2, width=9, preset="photo")), bytes | Exception)
typing.assert_type(decode("x").shape, tuple[int, int, int])
"""
# Calls with an error, and mypy's code for it.
INCORRECT_CALLS = {
    "encode(3)": "arg-type",
    "encode(None)": "arg-type",
    "encode(['x', 'y'])": "arg-type",
    "encode(b'x', widht=3)": "call-arg",
    "encode(b'x', width='3')": "arg-type",
    "encode(b'x', fit='crop')": "arg-type",
    "encode(b'x', keep='icc')": "arg-type",
    "encode_to(b'x', 'y', qualty=5)": "call-arg",
    "encode_to(b'x', 'y', quality='high')": "arg-type",
    "encode_to(b'x', 5)": "arg-type",
    "encode_to(b'x', 'y', preset='portrait')": "arg-type",
    "encode_many([b'x'], widht=3)": "call-arg",
    "encode_many([b'x'], effort='most')": "arg-type",
    "encode_many(b'x')": "arg-type",
    "encode_many([3])": "list-item",
    "probe(b'x').widht": "attr-defined",
    "probe(PIL.Image.new('RGB', (1, 1)))": "arg-type",
    "decode(5)": "arg-type",
    "decode(b'x', quality=5)": "call-arg",
    "decode(b'x').shape + 1": "operator",
}


@pytest.fixture(scope="module")
def python(wheels: dict[str, Path], machine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel and the optional packages of its tests."""
    environment = tmp_path_factory.mktemp("glibc") / "environment"
    call([sys.executable, "-m", "venv", environment])
    python = environment / "bin" / "python"
    call([python, "-m", "pip", "install", "-q", "pytest", "hypothesis", "numpy", "Pillow", MYPY])
    call([python, "-m", "pip", "install", "-q", wheels[f"manylinux2014_{machine}"]])
    return python


def test_the_stubs_agree_with_the_module(python: Path, tmp_path: Path) -> None:
    (tmp_path / "allowed").write_text(ONLY_IN_STUBS)
    options = ["--allowlist", tmp_path / "allowed", "--ignore-unused-allowlist"]

    output = call([python, "-m", "mypy.stubtest", "webpencode", *options], cwd=tmp_path)

    assert re.search(r"Success: no issues found in \d+ modules", output)


def test_mypy_accepts_correct_calls_and_rejects_incorrect_ones(python: Path, tmp_path: Path) -> None:
    imports = "import PIL.Image\nfrom webpencode import decode, encode, encode_many, encode_to, probe\n"
    (tmp_path / "correct.py").write_text(CORRECT_CALLS)
    (tmp_path / "incorrect.py").write_text(imports + "\n".join(INCORRECT_CALLS) + "\n")
    options = ["--strict", "--no-error-summary", "--hide-error-context", "--no-pretty"]

    correct = check_types(python, *options, "correct.py", cwd=tmp_path)
    incorrect = check_types(python, *options, "incorrect.py", cwd=tmp_path)

    assert correct == ""
    errors = re.findall(r"^incorrect\.py:(\d+): error: .*\[(.+)\]$", incorrect, flags=re.MULTILINE)
    assert errors == [(str(line), kind) for line, kind in enumerate(INCORRECT_CALLS.values(), 3)], incorrect


def check_types(python: Path, *args: str, cwd: Path) -> str:
    """Run mypy and return its output, also if it reports errors."""
    command = [python, "-m", "mypy", *args]
    return subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    ).stdout


def test_the_extensions_tests_pass_under_glibc(python: Path, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "extension" / "tests", tmp_path / "tests")

    # In a folder of its own, pytest does not remove what other runs have left, which would be warnings, and thus errors.
    command = [python, "-m", "pytest", "-q", "-rs", "--basetemp", tmp_path / "pytest", tmp_path / "tests"]
    output = call(command, cwd=tmp_path)

    assert " passed" in output
    assert "is not installed" not in output


def test_the_extensions_tests_pass_under_musl(
    wheels: dict[str, Path], machine: str, libz: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    make_musl_root(root, tmp_path / "scratch", libz)
    with zipfile.ZipFile(wheels[f"musllinux_1_2_{machine}"]) as wheel:
        wheel.extractall(root / "site")
    download_wheels(["pytest"], tmp_path / "pytest")
    for path in (tmp_path / "pytest").glob("*.whl"):
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(root / "site")
    shutil.copytree(REPOSITORY / "extension" / "tests", root / "tests")

    output = call_in_root(
        root,
        "/python/bin/python3.13 -B -m pytest -q -p no:cacheprovider /tests",
        environment={"PYTHONPATH": "/site", "PYTHONHOME": "/python"},
        cwd="/tests",
    )

    assert " passed" in output
