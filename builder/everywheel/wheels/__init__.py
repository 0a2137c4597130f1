"""The extension's wheel: PEP 517 build, zip file, SBOM.

The modules build the extension in an isolated environment against a prefix, and read and write wheels and source
distributions.
"""
