"""Teaching the encoder by a published tagger: its pool of targets, the two heads, the run."""
