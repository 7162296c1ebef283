"""Clients of the AWS SDK: their region, one for each process, and requests that end in time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import BotoCoreError, NoRegionError

from cxone_idem.errors import ConfigError
from cxone_idem.text import region_of

if TYPE_CHECKING:
    from botocore.config import Config as ClientConfig

LEAST_SECONDS = 0.05
"""The least time that a request is worth sending in: a healthy round trip takes a tenth of it."""

# Of a client that does not say otherwise: the attempts of its SDK, the time-outs that botocore
# waits for by default, and the longest of its pauses in standard mode.
_SDK_ATTEMPTS = 4
_SDK_TIMEOUT_SECONDS = 60
_SDK_PAUSE_SECONDS = 20

_ENDPOINT = "AWS_ENDPOINT_URL"


def new_client(service: str, config: ClientConfig, session: Any = None) -> Any:
    """Create a client of `session`; the SDK finds endpoint and credentials.

    By default the session is boto3's own where boto3 is imported: it has read the endpoints, the
    models and the credentials already, or the user's next client finds them read. Elsewhere it is
    botocore's, as importing boto3 too would cost a cold start more than all of this library.

    The SDK reads `AWS_DEFAULT_REGION` and the profile; where neither names a region, `AWS_REGION`
    does, as in the other SDKs of AWS. Raises `ConfigError` if there is no region, or if
    a variable or file of the SDK's cannot be used.
    """
    boto3 = sys.modules.get("boto3")
    if session is not None or boto3 is None:
        create = (session or botocore.session.get_session()).create_client
    else:
        create = boto3.client
    try:
        try:
            return create(service, config=config)
        except NoRegionError:
            region = os.environ.get("AWS_REGION")
            if not region:
                raise
            return create(service, region_name=region, config=config)
    except NoRegionError:
        mistake = "no AWS region is set: set AWS_REGION (on Lambda it always is)"
    except BotoCoreError as error:  # a profile, a file or credentials: it names them
        mistake = str(error)
    except ValueError as error:
        mistake = _endpoint_mistake(error)
    raise ConfigError((mistake,))


def _endpoint_mistake(error: ValueError) -> str:
    endpoints = {name: url for name, url in os.environ.items() if name.startswith(_ENDPOINT)}
    if not endpoints:
        return f"the AWS SDK cannot use its settings ({error})"
    # One without http:// is to blame for sure; else any may be.
    sure = {one: url for one, url in endpoints.items() if not url.startswith("http")}
    named = ", ".join(f"{name} is {url!r}" for name, url in (sure or endpoints).items())
    return f"{named}, which is no URL ({error}): begin it with https:// or http://"


class ProcessClient:
    """A client that a forked child does not inherit, unless it is the user's own."""

    def __init__(self, create: Callable[[], Any], own: Any = None) -> None:
        self._create = create if own is None else lambda: own
        self._client = self._create()
        self._process = os.getpid()

    def __call__(self) -> Any:
        """Return the client of this process."""
        # Parent and child would read each other's answers from a connection that both have open.
        if os.getpid() != self._process:
            self._client, self._process = self._create(), os.getpid()
        return self._client


class BoundedClient:
    """A client whose requests end in a given time. A client of the user's keeps its own retries."""

    def __init__(self, create: Callable[[], Any], own: Any = None) -> None:
        self._client = ProcessClient(create, own)
        self.attempts, self._request_seconds = _limits(self._client())
        self.region = region_of(self._client())

    def send(self, method: str, left_seconds: float, **parameters: Any) -> Any:
        """Return the answer to one request; raise what the SDK raises, or `NoAnswerInTimeError`."""
        if left_seconds < LEAST_SECONDS:
            raise NotSentError
        request = getattr(self._client(), method)
        if left_seconds >= self._request_seconds:
            return request(**parameters)
        return answer_within(left_seconds, partial(request, **parameters))


class NoAnswerInTimeError(Exception):
    """A request was not answered in the time there was. It may be carried out all the same."""


class NotSentError(NoAnswerInTimeError):
    """A request was not sent for want of time."""


def answer_within(seconds: float, request: Callable[[], Any]) -> Any:
    """Return what `request` returns; raise `NoAnswerInTimeError` after `seconds`.

    The request then goes on in a thread that nobody waits for.
    """
    ended = Event()
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["answer"] = request()
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that waits
            outcome["error"] = error
        ended.set()

    in_context = partial(copy_context().run, run)
    try:
        Thread(target=in_context, name="cxone_idem-request", daemon=True).start()
    except RuntimeError:  # no thread to be had
        return request()
    if not ended.wait(seconds):
        raise NoAnswerInTimeError
    if "error" in outcome:
        raise outcome["error"]
    return outcome["answer"]


def _limits(client: Any) -> tuple[int, float]:
    """Return how often a client's SDK sends a request, and how long that may take, in seconds."""
    config = getattr(getattr(client, "meta", None), "config", None)
    retries = getattr(config, "retries", None) or {}
    attempts = retries.get("total_max_attempts", _SDK_ATTEMPTS)
    timeouts = (getattr(config, name, None) for name in ("connect_timeout", "read_timeout"))
    one_seconds = sum(each or _SDK_TIMEOUT_SECONDS for each in timeouts)
    pauses_seconds = sum(min(2**retry, _SDK_PAUSE_SECONDS) for retry in range(attempts - 1))
    return attempts, attempts * one_seconds + pauses_seconds
