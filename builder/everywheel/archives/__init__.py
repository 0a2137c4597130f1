"""Readers of zip and tar archives from outside, with bounds for sizes, counts and names.

Wheels, sources and bundles are read by them; archives that tools would read differently are refused.
"""

from __future__ import annotations
