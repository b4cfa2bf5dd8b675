"""Sounds made by arithmetic, and examples to try the program on."""
