"""Composed scenes and the sentences about them."""
