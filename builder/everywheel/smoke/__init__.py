"""Smoke: install finished wheels where they claim to run, and use them."""

from everywheel.smoke.local import run_local_smoke_test

__all__ = ["run_local_smoke_test"]
