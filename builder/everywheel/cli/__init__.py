"""Commands: one module for each family of subcommands."""
