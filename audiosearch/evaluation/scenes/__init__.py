"""Scenes composed of labelled clips, with captions that tell what comes before what."""
