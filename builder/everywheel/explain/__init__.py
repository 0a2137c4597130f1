"""Explanations of compiled files: where a file or wheel of any origin runs, where it does not, and the cause.

They are derived from the file's own tables and instructions, and from lists of what each distribution has: nothing is run.
"""
