"""Recordings, labels and batches to train on."""
