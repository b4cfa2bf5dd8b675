"""Decoding in processes of their own, which die in place of the program."""
