"""The networks, one a file, and files of weights."""
