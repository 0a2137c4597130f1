"""Texts of recipes without a fault; tests change what they are about."""

from __future__ import annotations

RECIPE = """
name = "libfoo"
version = "1.0"
license = { spdx = "MIT", files = ["LICENSE"] }
[source]
urls = ["https://example.org/foo-{version}.tar.gz"]
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
[build]
system = "headers"
headers = { "include" = "include/foo" }
[products]
libraries = ["foo"]
"""

FULL_RECIPE = """\
name = "libfoo"
version = "1.0"
license = { spdx = "MIT", files = ["LICENSE"] }
requires = ["zlib"]

[source]
urls = ["https://example.org/foo-{version}.tar.gz"]
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"

[build]
system = "make"

[features.png]
enable = ["png"]

[products]
libraries = ["foo"]

[[overrides]]
when = { os = "linux" }
options = { LEVEL = "2" }

[[overrides]]
when = { libc = "musl" }
extend-enable = ["musl"]
"""
