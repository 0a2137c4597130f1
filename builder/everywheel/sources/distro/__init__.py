"""Debian's and Ubuntu's source packages as a location of pinned files."""
