"""The build of one native library, from source to artifact.

It runs the build system that a recipe names, compares the result with the recipe's products, and assembles artifacts into the
prefix of a target.
"""
