"""Sound in: decode any format to mono float32, cut windows, read embedded metadata."""
