"""Hostile input, for scripts and tests: random command lines and TOML files, damaged files, and their judge."""
