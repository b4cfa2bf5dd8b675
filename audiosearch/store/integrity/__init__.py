"""What must always hold of a library, checked and mended."""
