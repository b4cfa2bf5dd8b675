"""Measures of retrieval and captioning quality."""
