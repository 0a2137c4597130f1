"""Remote stores: artifacts and wheels that other machines have built, behind a URL.

An entry is found by its cache key, and used only if a configured key has signed its record and its file has the recorded
size and sha256; a remote that fails is left out after a few faults.
"""
