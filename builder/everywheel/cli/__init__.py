"""The command line: one module per family of commands.

A command parses its options, calls one function of another package and prints the result; progress and tables are drawn here.
"""
