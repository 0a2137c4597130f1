"""Modules that each Python process of the smoke command imports."""
