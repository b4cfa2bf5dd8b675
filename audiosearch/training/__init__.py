"""Torch networks, training loops and export to a bundle (extra `train`)."""
