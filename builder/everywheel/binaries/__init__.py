"""Readers of compiled files: ELF, Mach-O and PE.

They parse architecture, linked libraries, symbols and signatures from untrusted files, and raise an error instead of reading
past the end of a damaged one.
"""
