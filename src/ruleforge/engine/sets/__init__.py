"""Compiled sets that people give each other: files that are checked before kernels follow them."""
