"""Smoke tests: each wheel is installed and used on each system that its tag claims.

Results of containers, Wine and the build machine form one matrix, which is printed as a table, JSON or HTML.
"""
