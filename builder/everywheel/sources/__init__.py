"""Pinned source archives and patches: fetch, verify, unpack.

`fetch.fetch_sources` stores each file as `sources/<sha256>` from the first location that has the pinned bytes;
`bundle.bundle_sources` and `bundle_import.import_bundle` serve machines without a network.
"""
