"""Known vulnerabilities of the libraries in a wheel: those that patches fix, those that are open, and OpenVEX documents."""

from __future__ import annotations
