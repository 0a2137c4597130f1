"""The extension's wheel: PEP 517 build, zip file, SBOM.

It builds the extension in an isolated environment against a prefix, and reads and writes wheels and source distributions.
"""
