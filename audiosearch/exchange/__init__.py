"""Answers taken to other programs, and their labels taken in."""
