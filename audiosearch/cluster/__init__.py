"""Indexing on several machines: workers that read and encode, a driver that alone commits."""
