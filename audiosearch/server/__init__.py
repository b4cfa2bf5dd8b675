"""Answers at once: a process that keeps model and vectors in memory, and commands that ask it.

`server` is the one side, `asking` the other; `asking` answers by itself where nobody listens. What
goes between them is in `messages` (frozen values), `codec` (as JSON), `wire` (as bytes on a socket)
and `address` (where the socket is).
"""
