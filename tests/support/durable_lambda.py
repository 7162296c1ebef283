"""Lambda's Invoke for durable functions, on loopback: names by AWS's page, executions by its SDK.

Neither the SDK's test runner nor ministack takes `DurableExecutionName` of Invoke. So this server
decides, by the table of "Idempotency" in the Lambda Developer Guide, whether a request starts an
execution, and the runner runs what is started. A name is never forgotten here: no retention ends.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 60
_INVOKE = re.compile(r"/2015-03-31/functions/([\w-]+)/invocations")
_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")


class Start(NamedTuple):
    """One execution that was started."""

    name: str
    function: str
    payload: str
    arn: str


class Answer(NamedTuple):
    """What the client is answered."""

    status: int
    headers: dict[str, str]
    body: dict[str, str]


class DurableLambda(ThreadingHTTPServer):
    """The service. `starts` are the executions it started, `requests` the names it was asked for.

    `has_started` is set by a start; no answer leaves while `may_answer` is not set. A service that
    does not heed names starts an execution at each request.
    """

    daemon_threads = True

    def __init__(self, runner: Any) -> None:
        """Run what is started on `runner`, a `DurableFunctionTestRunner`."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.starts: list[Start] = []
        self.requests: list[str | None] = []
        self.heeds_names = True
        self.has_started = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._runner = runner
        self._lock = threading.Lock()

    @contextmanager
    def serving(self) -> Iterator[DurableLambda]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.may_answer.set()
            self.shutdown()
            thread.join()
            self.server_close()

    def results(self) -> list[tuple[str, str]]:
        """Return status and result of each execution, when it has ended."""
        ended = [self._runner.wait_for_result(start.arn, PATIENCE_SECONDS) for start in self.starts]
        return [(result.status.value, result.result) for result in ended]

    def invoke(self, function: str, name: str | None, payload: str) -> Answer:
        """Start an execution, unless its name is taken."""
        with self._lock:
            self.requests.append(name)
            names = {start.name: start for start in self.starts} if self.heeds_names else {}
            known = names.get(name or "")
            if known and known.payload != payload:
                return _error(409, "DurableExecutionAlreadyStartedException")
            start = known or self._start(function, name or str(uuid.uuid4()), payload)
            return Answer(202, {"X-Amz-Durable-Execution-Arn": start.arn}, {})

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that are gone: the tests kill them."""

    def _start(self, function: str, name: str, payload: str) -> Start:
        arn = self._runner.run_async(input=payload, function_name=function, execution_name=name)
        start = Start(name, function, payload, arn)
        self.starts.append(start)
        self.has_started.set()
        return start


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DurableLambda

    def do_POST(self) -> None:
        payload = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = self._answer(payload)
        self.server.may_answer.wait(PATIENCE_SECONDS)
        body = json.dumps(answer.body).encode() if answer.body else b""
        self.send_response(answer.status)
        for header in {**answer.headers, "Content-Length": str(len(body))}.items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no access log."""

    def _answer(self, payload: str) -> Answer:
        url = urlsplit(self.path)
        invoked = _INVOKE.fullmatch(url.path)
        name = self.headers["X-Amz-Durable-Execution-Name"]
        if (
            invoked is None
            or self.headers["X-Amz-Invocation-Type"] != "Event"
            or "Qualifier" not in parse_qs(url.query)
            or not (name is None or _NAME.fullmatch(name))
        ):
            return _error(400, "InvalidParameterValueException")
        return self.server.invoke(invoked[1], name, payload)


def _error(status: int, code: str) -> Answer:
    return Answer(status, {"x-amzn-ErrorType": code}, {"Type": "User", "Message": code})
