"""The free-threaded wheel on a CPython without a GIL, which the recipe builds (a minute on two cores, once for a store)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from roots import REPOSITORY, call

TESTS = ("test_free_threading.py", "test_threads.py", "test_module.py", "test_encode.py", "test_arrays.py")


def test_the_extensions_tests_pass_without_a_gil(all_wheels: list[Path], machine: str, tmp_path: Path) -> None:
    (wheel,) = (path for path in all_wheels if path.name.endswith(f"-cp314t-manylinux2014_{machine}.whl"))
    prefix, site = tmp_path / "python", tmp_path / "site"
    call([sys.executable, "-m", "builder", "--project", REPOSITORY, "deps", "python-freethreaded", "--prefix", prefix])
    call(
        [sys.executable, "-m", "pip", "install", "-q", "--target", site, "--implementation", "cp", "--python-version",
         "3.14", "--abi", "cp314t", "--platform", f"manylinux2014_{machine}", "--only-binary", ":all:", "pytest", wheel],
    )  # fmt: skip
    shutil.copytree(REPOSITORY / "extension" / "tests", tmp_path / "tests")

    output = call(
        ["/usr/bin/env", "-u", "PYTHON_GIL", f"PYTHONPATH={site}", prefix / "bin" / "python3.14t", "-m", "pytest", "-q",
         *(tmp_path / "tests" / name for name in TESTS)],
        cwd=tmp_path,
    )  # fmt: skip

    assert " passed" in output
    assert "skipped" not in output
