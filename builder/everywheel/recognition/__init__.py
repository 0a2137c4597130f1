"""Recognition of a project: its extension modules and the libraries that they need.

Build files are read, and not run.
"""
