"""From folders to rows: scan, decode in child processes, encode, caption, commit."""
