"""How sound leaves the server: files as they are, decoded stretches, ranges of either."""
