"""Compatible: the Python that runs the tests, and wheels for others."""

from __future__ import annotations

import sys
import sysconfig

import pytest
from everywheel.smoke.compatible import is_for_this_python

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
MINOR = sys.version_info.minor


@pytest.mark.parametrize(
    ("tags", "taken"),
    [
        ("py3-none", True),
        ("cp311-abi3", not FREE_THREADED),
        (f"cp3{MINOR + 1}-abi3", False),
        (f"cp3{MINOR}-cp3{MINOR}", not FREE_THREADED),
        (f"cp3{MINOR}-cp3{MINOR}t", FREE_THREADED),
        (f"cp3{MINOR + 1}.cp3{MINOR}-cp3{MINOR + 1}t.cp3{MINOR}t", FREE_THREADED),
        ("cp27-cp27mu", False),
    ],
)
def test_a_wheel_is_for_this_python_or_not_whatever_its_platform(tags: str, taken: bool) -> None:
    assert is_for_this_python(f"demo-1.0-{tags}-musllinux_1_2_riscv64.whl") is taken
