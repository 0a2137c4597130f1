"""Everywheel builds every wheel of a C extension, with its native libraries inside, from one machine."""
