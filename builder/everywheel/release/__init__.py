"""Releases: what a release consists of, whether all of it is there, and how it gets to an index."""
