"""Release of a set of wheels: version, completeness, upload.

The package lists the jobs of a release, checks that every file is present, and compares local files with those on a
package index.
"""
