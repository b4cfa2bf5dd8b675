"""Answers at once: a process that keeps model and vectors in memory, and commands that ask it."""
