"""Measures of retrieval, captioning, tags and word order, for any bundle."""
