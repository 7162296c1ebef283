"""A loopback proxy before DynamoDB that throttles, fails, delays and cuts connections."""

from __future__ import annotations

import argparse
import http.client
import json
import random
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import urlsplit

FAULTS = {
    "throttled": 0.020,
    "server error": 0.015,
    "latency": 0.040,
    "cut before execution": 0.015,
    "cut after execution": 0.020,
    # The client gives up after a second; what it sent is executed all the same, and later.
    "executed after time-out": 0.005,
    "answered after time-out": 0.005,
    # As many failures as the SDK makes attempts, so that the call itself fails.
    "outage": 0.003,
}
"""The share of requests that each fault hits."""

_OUTAGE_REQUESTS = 4
# Until each fault has been seen once, so that a short campaign has them all.
_ONE_IN_REQUESTS = 10
_LATENCY_SECONDS = (0.02, 0.3)
_TIMED_OUT_SECONDS = (1.2, 2.5)
_FAULTY = frozenset({"PutItem", "BatchExecuteStatement", "UpdateItem", "DeleteItem", "GetItem"})
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


class Proxy(BaseHTTPRequestHandler):
    """One connection: its faults come from a generator of its own, seeded by its number."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: ClassVar[str]
    seed: ClassVar[int]
    _drawn: ClassVar[list[int]] = [0]
    _unseen: ClassVar[list[str]] = list(FAULTS)
    injected: ClassVar[Counter[str]] = Counter()
    _numbers: ClassVar[Any] = count()
    _lock: ClassVar[Lock] = Lock()

    def setup(self) -> None:
        super().setup()
        self._random = random.Random(f"{self.seed}:{next(self._numbers)}")  # noqa: S311 -- repeatable
        self._outage_left = 0
        self._dynamodb = http.client.HTTPConnection(self.upstream, timeout=30)

    def finish(self) -> None:
        self._dynamodb.close()
        super().finish()

    def do_GET(self) -> None:
        """Tell how many faults of each kind were injected."""
        body = json.dumps(self.injected).encode()
        self._answer(200, {"Content-Type": "application/json"}, body)

    def do_POST(self) -> None:
        """Pass one request on, or do something bad to it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        fault = self._draw() if operation in _FAULTY else ""
        with self._lock:
            self.injected["requests"] += 1
            if fault:
                self.injected[fault] += 1
        try:
            self._pass_on(body, fault)
        except OSError:
            # The client is gone: killed, or out of patience.
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's name
        """Say nothing: the faults are counted."""

    def _draw(self) -> str:
        if self._outage_left:
            self._outage_left -= 1
            return "outage"
        with self._lock:
            self._drawn[0] += 1
            if self._unseen and self._drawn[0] % _ONE_IN_REQUESTS == 0:
                return self._unseen.pop()
        drawn = self._random.random()
        for fault, share in FAULTS.items():
            drawn -= share
            if drawn < 0:
                if fault == "outage":
                    self._outage_left = _OUTAGE_REQUESTS - 1
                return fault
        return ""

    def _pass_on(self, body: bytes, fault: str) -> None:
        if fault == "throttled":
            self._refuse(400, "ProvisionedThroughputExceededException")
        elif fault in {"server error", "outage"}:
            self._refuse(500, "InternalServerError")
        elif fault == "cut before execution":
            self.close_connection = True
        else:
            self._wait(fault, latency="latency", timed_out="executed after time-out")
            answer = self._execute(body)
            if fault == "cut after execution":
                self.close_connection = True
                return
            self._wait(fault, latency="", timed_out="answered after time-out")
            self._answer(*answer)

    def _wait(self, fault: str, *, latency: str, timed_out: str) -> None:
        if fault and fault == latency:
            time.sleep(self._random.uniform(*_LATENCY_SECONDS))
        elif fault == timed_out:
            time.sleep(self._random.uniform(*_TIMED_OUT_SECONDS))

    def _execute(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self._dynamodb.request("POST", self.path, body, dict(self.headers))
        response = self._dynamodb.getresponse()
        return response.status, dict(response.getheaders()), response.read()

    def _refuse(self, status: int, code: str) -> None:
        problem = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "injected"}
        headers = {"Content-Type": "application/x-amz-json-1.0", "Date": formatdate(usegmt=True)}
        self._answer(status, headers, json.dumps(problem).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        # Not send_response: it would add a Date of its own beside DynamoDB's.
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients are killed and connections cut all the time."""


def main() -> None:
    """Serve until terminated; print the port first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("upstream", help="URL of the DynamoDB to pass requests on to")
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    Proxy.upstream = urlsplit(arguments.upstream).netloc
    Proxy.seed = arguments.seed
    with _Server(("127.0.0.1", 0), Proxy) as server:
        print(server.server_address[1], flush=True)  # noqa: T201 -- the parent reads it
        server.serve_forever()


if __name__ == "__main__":
    main()
