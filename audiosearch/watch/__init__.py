"""The daemon that keeps a library in step with its folders."""
