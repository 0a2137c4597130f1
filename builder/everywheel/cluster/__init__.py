"""Builds on several machines, which exchange results through a remote store: shards of a plan, and steps on a cluster.

Each machine builds single steps of the same plan: it receives the required results, and sends its own.
"""
