#!/bin/sh
# asyncio turns Nagle's algorithm off on its TCP connections, but not where the listening socket was
# made by socket.create_server() and handed over (as uvicorn does too): such a socket's protocol is
# 0, not IPPROTO_TCP. An HTTP answer in two writes then takes 40 ms longer on a kept connection.
# Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/asyncio-listener-keeps-nagle.sh
set -eu
"${PYTHON:-python3}" - <<'PYTHON'
import asyncio
import platform
import socket
import statistics
import sys
import time

ANSWER = b"x" * 100


async def serve(reader, writer):
    flags.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    while await reader.readline():
        writer.write(b"head\n")
        writer.write(ANSWER + b"\n")
    writer.close()


async def measured(server):
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    took = []
    for _ in range(20):
        started = time.perf_counter()
        writer.write(b"ask\n")
        await reader.readline()
        await reader.readline()
        took.append(time.perf_counter() - started)
    writer.close()
    server.close()
    await asyncio.sleep(0.1)  # the other side ends too
    return statistics.median(took) * 1000


async def main():
    given = await asyncio.start_server(serve, sock=socket.create_server(("127.0.0.1", 0)))
    by_given = await measured(given)
    own = await asyncio.start_server(serve, "127.0.0.1", 0)
    return by_given, await measured(own)


flags = []
by_given, by_own = asyncio.run(main())
print(f"Python {platform.python_version()}, asyncio, 20 answers of two writes on one connection")
print(f"listener of socket.create_server(): TCP_NODELAY {flags[0]}, median {by_given:.1f} ms")
print(f"listener of asyncio's own:          TCP_NODELAY {flags[1]}, median {by_own:.1f} ms")
surprising = flags[0] == 0 and flags[1] != 0
print("as found: the first is left with Nagle's algorithm" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
