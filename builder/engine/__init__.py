"""Engines: where a step runs."""
