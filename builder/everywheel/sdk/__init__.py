"""SDKs: archives with libraries for programs in other languages, to link against without installing anything.

An SDK has the shared libraries of its recipes, complete static archives, headers, and files for pkg-config and CMake that
work in any folder.
"""
