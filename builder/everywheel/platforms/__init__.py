"""Targets and platform tags, with the policy that each tag promises.

A target is parsed once from its tag; every fact about an architecture is a field of one table.
"""
