"""Sounds in stores that are reached by URL: what lies there, and files fetched from there."""
