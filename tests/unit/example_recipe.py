"""The text of a recipe without a fault; tests change what they are about."""

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
