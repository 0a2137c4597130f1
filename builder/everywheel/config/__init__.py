"""Recipes and project settings, read from TOML.

`load_recipe` and `load_project` validate every key and return frozen values; a recipe is resolved once per target, and a
resolved recipe contains no conditions.
"""
