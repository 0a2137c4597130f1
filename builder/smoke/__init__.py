"""Smoke: install finished wheels where they claim to run, and use them."""

from builder.smoke.here import smoke_here

__all__ = ["smoke_here"]
