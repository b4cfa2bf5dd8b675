"""The command: one family of commands a file; the only place that prints or exits."""
