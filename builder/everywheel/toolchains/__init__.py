"""Compilers and build tools for a target.

The zig engine installs pinned compilers from PyPI and writes wrappers for them; the native engine uses those of the build
machine.
"""
