"""Errors in the keys and conditions of a recipe: each names the file, the table and the key, and shows what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_recipe import load_changed


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'system = "make"',
            'system = "CMake"',
            "[build]: 'system' must be one of autotools, cmake, headers, make, meson, not 'CMake'\n"
            "  hint: did you mean 'cmake'?",
        ),
        (
            'os = "linux"',
            'os = "!windows"',
            "[[overrides]] 1: no target has 'os' = '!windows'\n"
            "  hint: write a pattern: `[!w]*` matches every value except 'windows'",
        ),
        (
            'os = "linux"',
            'arch = "!x86_64"',
            "[[overrides]] 1: no target has 'arch' = '!x86_64'\n"
            "  hint: write a pattern: `[!x]*` matches every value except 'x86_64'",
        ),
        (
            'os = "linux"',
            'arch = "!armv7l"',
            "[[overrides]] 1: no target has 'arch' = '!armv7l'\n"
            "  hint: write one `[[overrides]]` for each of aarch64, i686, ppc64le, riscv64, s390x, x86_64",
        ),
        (
            'os = "linux"',
            'os = "macOS"',
            "[[overrides]] 1: no target has 'os' = 'macOS'\n  hint: did you mean 'darwin'?",
        ),
        (
            'os = "linux"',
            'arch = "amd64"',
            "[[overrides]] 1: no target has 'arch' = 'amd64'\n  hint: did you mean 'x86_64'?",
        ),
        (
            'os = "linux"',
            'os = "linux|macos"',
            "[[overrides]] 1: no target has 'os' = 'linux|macos'\n"
            "  hint: write one `[[overrides]]` for each, or the pattern `[dl]*`",
        ),
        (
            'os = "linux"',
            'os = ["linux", "darwin"]',
            "[[overrides]] 1: 'when.os' must be a string, not an array\n"
            '  value: ["linux", "darwin"]\n'
            "  hint: write one `[[overrides]]` for each, or the pattern `[dl]*`",
        ),
        (
            'os = "linux"',
            'arch = ["x86_64", "arm64"]',
            "[[overrides]] 1: 'when.arch' must be a string, not an array\n"
            '  value: ["x86_64", "arm64"]\n'
            "  hint: write one `[[overrides]]` for each",
        ),
        (
            'os = "linux"',
            "os = 1",
            "[[overrides]] 1: 'when.os' must be a string, not a whole number\n"
            "  value: 1\n"
            "  hint: put it between quotes",
        ),
        (
            'when = { os = "linux" }',
            'when = "linux"',
            "[[overrides]] 1: 'when' must be a table, not a string\n"
            '  value: "linux"\n'
            '  hint: write `when = { os = "linux" }`',
        ),
        ('os = "linux"', 'ach = "x86_64"', "[[overrides]] 1: unknown condition 'ach'\n  hint: did you mean 'arch'?"),
        (
            'when = { os = "linux" }\n',
            "",
            "[[overrides]] 1: 'when' is missing\n  hint: add `when = { os = \"linux\" }`",
        ),
        (
            'when = { os = "linux" }',
            "when = {}",
            "[[overrides]] 1: 'when' is missing\n  hint: add `when = { os = \"linux\" }`",
        ),
        (
            'os = "linux"',
            'os = "windows", libc = "musl"',
            "[[overrides]] 1: no target has 'os' = 'windows' and 'libc' = 'musl'\n  hint: only Linux has a `libc`",
        ),
        (
            'os = "linux"',
            'arch = "s390x", endian = "little"',
            "[[overrides]] 1: no target has 'arch' = 's390x' and 'endian' = 'little'\n"
            "  hint: remove one of the conditions, or write a table for each",
        ),
        (
            "options = {",
            "extend-options = {",
            "[[overrides]] 1: unknown key 'extend-options'\n  hint: did you mean 'options'?",
        ),
        ("extend-enable", "enable", "[[overrides]] 2: unknown key 'enable'\n  hint: did you mean 'extend-enable'?"),
        (
            'extend-enable = ["musl"]',
            'sytem = "make"',
            "[[overrides]] 2: unknown key 'sytem'\n  hint: did you mean 'system'?",
        ),
        (
            'enable = ["png"]',
            'disable = ["png"]',
            "[features.png]: unknown key 'disable'\n"
            "  hint: a feature has no `disable`: what it enables is disabled without it",
        ),
        (
            "[build]",
            'size = "1000"\n[build]',
            "[source]: 'size' must be a whole number, not a string\n  value: \"1000\"\n  hint: write `size = 1000`",
        ),
        (
            "[build]",
            '[build]\ncxx-runtime = "false"',
            "[build]: 'cxx-runtime' must be true or false, not a string\n"
            '  value: "false"\n'
            "  hint: write `cxx-runtime = false`",
        ),
        (
            "[build]",
            "[build]\ncxx-runtime = 0",
            "[build]: 'cxx-runtime' must be true or false, not a whole number\n"
            "  value: 0\n"
            "  hint: write `cxx-runtime = false`",
        ),
        (
            '"1.0"',
            "1.10",
            "'version' must be a string, not a floating-point number\n"
            "  value: 1.10\n"
            '  hint: write `version = "1.10"`',
        ),
        ("version =", "verison =", "unknown key 'verison'\n  hint: did you mean 'version'?"),
        ("[products]", "[product]", "unknown key 'product'\n  hint: did you mean 'products'?"),
        ("[build]", "[biuld]", "unknown key 'biuld'\n  hint: did you mean 'build'?"),
        ("spdx", "spxd", "[license]: unknown key 'spxd'\n  hint: did you mean 'spdx'?"),
        ("sha256", "sha265", "[source]: unknown key 'sha265'\n  hint: did you mean 'sha256'?"),
        ("urls", "url", "[source]: unknown key 'url'\n  hint: did you mean 'urls'?"),
        (
            '[products]\nlibraries = ["foo"]\n',
            "",
            "'products' is missing\n  hint: add `[products]`, and its keys in the lines after it",
        ),
        (
            'license = { spdx = "MIT", files = ["LICENSE"] }\n',
            "",
            '\'license\' is missing\n  hint: add `license = { spdx = "MIT", files = ["LICENSE"] }`',
        ),
        (
            "[build]",
            'debain = { package = "foo" }\n[build]',
            "[source]: unknown key 'debain'\n  hint: did you mean 'debian'?",
        ),
        (
            "[build]",
            'omit-patchs = "x"\n[build]',
            "[source]: unknown key 'omit-patchs'\n  hint: did you mean 'omit-patches'?",
        ),
        (
            'libraries = ["foo"]',
            'libraries = ["foo"]\nrequires = ["zlib"]',
            "[products]: unknown key 'requires'\n"
            "  hint: `requires` belongs to the top of the file: move it above the first table",
        ),
        (
            'system = "make"',
            'system = "make"\nlibraries = ["foo"]',
            "[build]: unknown key 'libraries'\n  hint: `libraries` belongs to `[products]`",
        ),
        (
            'requires = ["zlib"]',
            'exports = ["foo_*"]',
            "unknown key 'exports'\n  hint: `exports` belongs to `[products]`",
        ),
        (
            'libraries = ["foo"]',
            'libraries = ["foo"]\noptions = { FOO = 1 }',
            "[products]: unknown key 'options'\n  hint: `options` belongs to `[build]` or `[[overrides]]`",
        ),
    ],
)
def test_an_error_leads_to_the_key_that_is_meant(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert load_changed(tmp_path, old, new) == message
