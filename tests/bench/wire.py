"""The wire between a contender and its engine: a relay that holds every answer back a while."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from examples.local_stack import free_port, server

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUND_TRIP_MS = 5


@contextmanager
def slowed(endpoint: str, delay_ms: float = ROUND_TRIP_MS) -> Iterator[str]:
    """Run the relay in a process of its own, so that its CPU is nobody's; yield its URL."""
    port = free_port()
    upstream = urlsplit(endpoint)
    command = [
        *(sys.executable, "-m", "tests.bench.wire"),
        *(str(port), str(upstream.hostname), str(upstream.port), str(delay_ms / 1000)),
    ]
    with server(command, f"http://127.0.0.1:{port}", {}) as url:
        yield url


async def _relay(listen: int, host: str, port: int, delay_seconds: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_connection(host, port)
        for end in (writer, engine_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(
            _copy(reader, engine_writer, 0), _copy(engine_reader, writer, delay_seconds)
        )

    listener = await asyncio.start_server(connected, "127.0.0.1", listen)
    await listener.serve_forever()


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_seconds: float
) -> None:
    """Pass on what arrives; later, not slower: pieces of one answer are delayed side by side."""
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(1 << 16):
            if delay_seconds:
                loop.call_later(delay_seconds, writer.write, data)
            else:
                writer.write(data)
    except OSError:
        pass
    loop.call_later(delay_seconds, writer.close)


if __name__ == "__main__":
    asyncio.run(_relay(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
