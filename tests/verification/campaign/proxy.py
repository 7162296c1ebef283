"""A loopback proxy before DynamoDB that throttles, fails, delays, cuts and answers oddly."""

from __future__ import annotations

import argparse
import http.client
import json
import random
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.verification.campaign import odd_answers
from tests.verification.campaign.faults import BATCH, OF_BATCHES, Faults
from tests.verification.campaign.odd_answers import Response

_LATENCY_SECONDS = (0.02, 0.3)
_TIMED_OUT_SECONDS = (1.2, 2.5)
# Longer than any client waits.
_HANGING_SECONDS = 10.0
_JSON = "application/x-amz-json-1.0"
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


class Proxy(BaseHTTPRequestHandler):
    """One connection: its faults come from a generator of its own, seeded by its number."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: ClassVar[str]
    seed: ClassVar[int]
    faults: ClassVar[Faults] = Faults()
    _numbers: ClassVar[Any] = count()

    def setup(self) -> None:
        super().setup()
        self._random = random.Random(f"{self.seed}:{next(self._numbers)}")  # noqa: S311 -- repeatable
        self._dynamodb = http.client.HTTPConnection(self.upstream, timeout=30)

    def finish(self) -> None:
        self._dynamodb.close()
        super().finish()

    def do_GET(self) -> None:
        """Tell how many faults of each kind were injected."""
        body = json.dumps(self.faults.counts).encode()
        self._answer(200, {"Content-Type": "application/json"}, body)

    def do_POST(self) -> None:
        """Pass one request on, or do something bad to it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        # Each worker comes by a path of its own.
        fault = self.faults.draw(self.path, operation, self._random)
        took_effect = True
        try:
            took_effect = self._pass_on(body, fault, is_batch=operation == BATCH)
        except OSError:
            # The client is gone: killed, or out of patience.
            self.close_connection = True
        if fault and took_effect:
            self.faults.count(fault)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's name
        """Say nothing: the faults are counted."""

    def _pass_on(self, body: bytes, fault: str, *, is_batch: bool) -> bool:
        """Answer the request; tell whether the fault took effect."""
        if fault in {"server error", "outage"}:
            self._refuse(500, "InternalServerError")
        elif fault == "throttled for a while" and is_batch:
            self._answer(200, {"Content-Type": _JSON, **_dated()}, odd_answers.throttled(body))
        elif fault in {"throttled", "throttled for a while"}:
            self._refuse(400, "ProvisionedThroughputExceededException")
        elif fault == "cut before execution":
            self.close_connection = True
        elif fault == "hanging":
            self.faults.count(fault)  # already now: nobody waits for its end
            time.sleep(_HANGING_SECONDS)
            self.close_connection = True
            return False
        elif fault in OF_BATCHES:
            answer, took_effect = odd_answers.answer(fault, body, self._execute, self._random)
            self._answer(*answer)
            return took_effect
        else:
            self._execute_and_answer(body, fault)
        return True

    def _execute_and_answer(self, body: bytes, fault: str) -> None:
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

    def _execute(self, body: bytes) -> Response:
        headers = {n: v for n, v in self.headers.items() if n.lower() != "content-length"}
        self._dynamodb.request("POST", "/", body, headers)
        response = self._dynamodb.getresponse()
        return Response(response.status, dict(response.getheaders()), response.read())

    def _refuse(self, status: int, code: str) -> None:
        problem = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "injected"}
        self._answer(status, {"Content-Type": _JSON, **_dated()}, json.dumps(problem).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        # Not send_response: it would add a Date of its own beside DynamoDB's.
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _dated() -> dict[str, str]:
    return {"Date": formatdate(usegmt=True)}


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
