"""The wire between a contender and its engine: a relay that holds every answer back a while."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from examples.local_stack import free_port, server


@contextmanager
def table_behind(
    make: Callable[[], Any], trip_ms: float = 0, certificate: Path | None = None
) -> Iterator[str]:
    """Yield the name of a fresh table that this process's new clients find behind the wire.

    With a certificate (its key in the same file) they find it by HTTPS. The relay is a process of
    its own, so that its CPU is nobody's; without a delay there is none.
    """
    table, port, tls_port = make(), free_port(), free_port()
    engine = urlsplit(table.endpoint)
    arguments: list[object] = [port, engine.hostname, engine.port, trip_ms / 1000]
    arguments += [tls_port, certificate] if certificate else []
    command = [sys.executable, "-m", "tests.bench.wire", *map(str, arguments)]
    relay = server(command, f"http://127.0.0.1:{port}", {})
    with relay if trip_ms else nullcontext(table.endpoint) as url:
        seen = f"https://127.0.0.1:{tls_port}" if certificate else url
        with patch.dict(os.environ, AWS_ENDPOINT_URL_DYNAMODB=seen):
            yield table.name


async def _relay(  # noqa: PLR0913, PLR0917 -- a command line
    listen: str, host: str, port: str, delay: str, tls_port: str = "", certificate: str = ""
) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_connection(host, int(port))
        for end in (writer, engine_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(
            _copy(reader, engine_writer, 0), _copy(engine_reader, writer, float(delay))
        )

    listener = await asyncio.start_server(connected, "127.0.0.1", int(listen))
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        await asyncio.start_server(connected, "127.0.0.1", int(tls_port), ssl=context)
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
    asyncio.run(_relay(*sys.argv[1:]))
