"""Errors in the values of a recipe: each names the file, the table and the key, and shows what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_recipe import FULL_RECIPE, load_changed


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'license = { spdx = "MIT", files = ["LICENSE"] }',
            'license = "MIT"',
            "'license' must be a table, not a string\n"
            '  value: "MIT"\n'
            '  hint: write `license = { spdx = "MIT", files = ["LICENSE"] }`',
        ),
        (
            'LEVEL = "2"',
            'LEVEL = ["a", "b"]',
            "[[overrides]] 1: 'options.LEVEL' must be a string, a number, true or false\n"
            '  value: ["a", "b"]\n'
            '  hint: write one string: `LEVEL = "a;b"` for CMake, `LEVEL = "a,b"` for Meson',
        ),
        (
            'LEVEL = "2"',
            "LEVEL = 1.50",
            "[[overrides]] 1: 'options.LEVEL' must be a string, a number, true or false\n"
            "  value: 1.50\n"
            "  hint: put it between quotes",
        ),
        (
            'LEVEL = "2"',
            "LEVEL = { a = true }",
            "[[overrides]] 1: 'options.LEVEL' must be a string, a number, true or false\n"
            "  value: { a = true }\n"
            '  hint: write a string, such as `"…"`',
        ),
        (
            '["zlib"]',
            '["zlib", true]',
            "'requires' must be an array of strings\n  value: true\n  hint: put it between quotes",
        ),
        (
            '["zlib"]',
            '{ zlib = "1.2", "a b" = [1979-05-27, 1e3] }',
            "'requires' must be an array, not a table\n"
            '  value: { zlib = "1.2", "a b" = [1979-05-27, 1e3] }\n'
            '  hint: write `requires = ["…"]`',
        ),
        (
            '["zlib"]',
            '[["zlib"]]',
            '\'requires\' must be an array of strings\n  value: ["zlib"]\n  hint: write a string, such as `"…"`',
        ),
        (
            'system = "make"',
            'system = "make"\nconfigure = ["./configure", "--prefix={prefx}"]',
            "[build]: 'configure' has an unknown placeholder '{prefx}'\n"
            "  value: --prefix={prefx}\n"
            "  hint: did you mean '{prefix}'?",
        ),
        (
            'system = "make"',
            'system = "autotools"\noptions = { "with-extra-ldflags" = "-L{prefx}/lib" }',
            "[build]: 'options.with-extra-ldflags' has an unknown placeholder '{prefx}'\n"
            "  value: -L{prefx}/lib\n"
            "  hint: did you mean '{prefix}'?",
        ),
        (
            'LEVEL = "2"',
            'LEVEL = "{version}"',
            "[[overrides]] 1: 'options.LEVEL' has an unknown placeholder '{version}'\n"
            "  value: {version}\n"
            "  hint: known placeholders: {prefix}, {host}, {build}, {stage}",
        ),
        (
            'system = "make"',
            'system = "cmake"\noptions = { FOO = "{prefix}/x" }',
            "[build]: 'options.FOO' has an unknown placeholder '{prefix}'\n"
            "  value: {prefix}/x\n"
            "  hint: only arguments and options of `make` and `autotools` have placeholders",
        ),
        (
            'system = "make"',
            'system = "make"\nflags = ["-I{prefix}/x"]',
            "[build]: 'flags' has an unknown placeholder '{prefix}'\n"
            "  value: -I{prefix}/x\n"
            "  hint: only arguments and options of `make` and `autotools` have placeholders",
        ),
        (
            '"MIT"',
            '"Apache-2"',
            "[license]: 'spdx' is not an SPDX license expression\n"
            "  value: Apache-2\n"
            "  reason: Unknown license: 'apache-2'\n"
            "  hint: did you mean 'Apache-2.0'?",
        ),
        (
            '"MIT"',
            '"BSD"',
            "[license]: 'spdx' is not an SPDX license expression\n"
            "  value: BSD\n"
            "  reason: Unknown license: 'bsd'\n"
            "  hint: did you mean 'BSD-2-Clause' or 'BSD-3-Clause'?",
        ),
        (
            'libraries = ["foo"]',
            'libraries = ["foo"]\nsonames = { fooo = "libfoo.so.1" }',
            "[products]: 'sonames' names 'fooo', which is not in 'libraries'\n  hint: did you mean 'foo'?",
        ),
        (
            'libraries = ["foo"]',
            'libraries = ["foo"]\npkgconfig = ["foo.pc"]',
            "[products]: 'pkgconfig' must be the name of a pkg-config file without `.pc`\n"
            "  value: 'foo.pc'\n"
            '  hint: such as `pkgconfig = ["libpng16"]`',
        ),
        (
            'libraries = ["foo"]',
            'libraries = ["foo"]\nheaders = ["include/*.h"]',
            "[products]: 'headers' must be a relative path without `..`, wildcards, backslashes and braces\n"
            "  value: 'include/*.h'\n"
            "  hint: paths are relative to the source or the prefix, and stay in it",
        ),
        (
            'enable = ["png"]',
            'enable = ["-DPNG"]',
            "[features.png]: 'enable' must be the name of an option without dashes before it\n"
            "  value: '-DPNG'\n"
            '  hint: such as `disable = ["tests"]`; an option with a value is in `options`',
        ),
        (
            'system = "make"',
            'system = "make"\ndefines = ["-DFOO"]',
            "[build]: 'defines' must be a preprocessor definition without `-D`\n"
            "  value: '-DFOO'\n"
            '  hint: such as `defines = ["NDEBUG", "LEVEL=3"]`',
        ),
        (
            'system = "make"',
            'system = "make"\nenable = ["a"]\ndisable = ["b", "a"]',
            "[build]: 'a' is in 'enable' and in 'disable'\n  hint: remove it from one of them",
        ),
        (
            'extend-enable = ["musl"]',
            'extend-enable = ["musl"]\nextend-disable = ["musl"]',
            "[[overrides]] 2: 'musl' is in 'extend-enable' and in 'extend-disable'\n  hint: remove it from one of them",
        ),
        (
            'system = "make"',
            'system = "cmake"\nconfigure = ["./configure"]',
            "[build]: 'configure' has no effect with cmake\n  hint: it is for builds with `autotools` or `make`",
        ),
        (
            'system = "make"',
            'system = "make"\nheaders = { a = "include" }',
            "[build]: 'headers' has no effect with make\n  hint: it is for builds with `headers`",
        ),
        (
            'system = "make"',
            'system = "meson"\ninstall = ["install-lib"]',
            "[build]: 'install' has no effect with meson\n  hint: it is for builds with `autotools` or `make`",
        ),
        (
            FULL_RECIPE[FULL_RECIPE.index("[[overrides]]") :],
            '[overrides]\nwhen = { os = "linux" }\n',
            "'overrides' must be an array of tables, not a table\n  hint: write `[[overrides]]`",
        ),
    ],
)
def test_an_error_shows_what_to_write(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert load_changed(tmp_path, old, new) == message
