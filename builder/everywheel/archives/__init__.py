"""Bounded readers for archives from outside: zip members (wheels) and tar members (sources, bundles, sdists)."""

from __future__ import annotations
