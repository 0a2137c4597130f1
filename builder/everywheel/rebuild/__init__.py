"""Rebuilds of released wheels: from the commit in a wheel's provenance, with a comparison of the bytes.

A difference is explained by the files, sections and inputs that differ, and the result is a statement that others can compare
with theirs.
"""

from __future__ import annotations
