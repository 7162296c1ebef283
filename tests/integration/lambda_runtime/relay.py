"""A loopback relay before an engine that counts the connections made through it."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Relay(ThreadingTCPServer):
    """Passes bytes on, both ways."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, engine_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        engine = urlsplit(engine_url)
        self.engine = (str(engine.hostname), int(engine.port or 80))
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.connections = 0


class _Connection(BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        self.server.connections += 1
        with socket.create_connection(self.server.engine) as engine:
            answers = Thread(target=_copy, args=(engine, self.request), daemon=True)
            answers.start()
            _copy(self.request, engine)
            answers.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other side is gone, and with it the need for the rest


@contextmanager
def relay(engine_url: str) -> Iterator[Relay]:
    """Run a relay in a thread of this process until the block ends."""
    with Relay(engine_url) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
