"""Readers of compiled files: ELF, Mach-O and PE.

They return architecture, linked libraries, symbols and signatures of files that are not trusted: a truncated or malformed file
is an error.
"""
