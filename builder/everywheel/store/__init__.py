"""The content-addressed store of sources, artifacts and wheels.

An entry is found by its cache key, verified by hash when it is read, and written under a lock.
"""
