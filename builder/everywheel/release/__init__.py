"""Release of a set of wheels: version, completeness, upload.

It lists the jobs of a release, checks that every file is present, and compares local files with those on a package index.
"""
