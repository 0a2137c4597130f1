"""Provenance of wheels: statements that list every input of a build, signed on request, and their verification.

A statement is SLSA provenance v1 (https://slsa.dev/spec/v1.1/provenance) in an in-toto statement.
"""

from __future__ import annotations
