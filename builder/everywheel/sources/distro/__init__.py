"""Distro."""
