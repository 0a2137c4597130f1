"""Smoke: install finished wheels where they claim to run, and use them."""

from everywheel.smoke.local import smoke_here

__all__ = ["smoke_here"]
