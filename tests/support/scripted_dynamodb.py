"""A DynamoDB on loopback that answers by a script: throttled, failing, silent, odd or well."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENCE = object()
"""The request is taken and never answered."""


def well(operation: str, request: dict[str, Any]) -> Any:
    """Answer that everything was written."""
    if operation == "BatchExecuteStatement":
        return 200, {"Responses": [{} for _ in request["Statements"]]}
    return 200, {}


def throttled(operation: str, request: dict[str, Any]) -> Any:
    """Answer as a table without capacity does: a batch in an HTTP 200, a PutItem by an error."""
    if operation == "BatchExecuteStatement":
        error = {"Code": "ThrottlingError", "Message": "slow down"}
        return 200, {"Responses": [{"Error": error} for _ in request["Statements"]]}
    return failing(400, "ProvisionedThroughputExceededException")(operation, request)


def failing(status: int, code: str, message: str = "said AWS") -> Any:
    """Return a script that answers every request with one error."""
    return lambda *_: (status, {"__type": f"com.amazonaws.dynamodb#{code}", "message": message})


def silent(*_: object) -> Any:
    """Never answer."""
    return SILENCE


def of_completions(script: Any, rest: Any = well) -> Any:
    """Return a script for completions alone; all else goes well, or as another script says."""

    def answer(operation: str, request: dict[str, Any]) -> Any:
        completes = '"DONE"' in json.dumps(request)
        return (script if completes else rest)(operation, request)

    return answer


class ScriptedDynamoDB:
    """The server: set `script`, read `operations`."""

    def __init__(self) -> None:
        self.script: Any = well
        self.operations: list[str] = []
        self.connections: list[int] = []
        """The port that each request came from."""
        self.over = Event()
        server = self

        class Connection(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                server.operations.append(operation)
                server.connections.append(self.client_address[1])
                answer = server.script(operation, body)
                if answer is SILENCE:
                    server.over.wait()
                    self.close_connection = True
                    return
                status, content = answer
                payload = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[ScriptedDynamoDB]:
        """Serve until the block ends."""
        thread = Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()
