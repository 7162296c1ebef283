"""An AWS account as far as the caller may read it. Only this module of the doctor knows the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from cxone_idem.doctor.facts import Unread
from cxone_idem.stores.aws_client import new_client

if TYPE_CHECKING:
    from collections.abc import Callable

_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
)
_ABSENT = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchEntity",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
# A person waits: after 5 s an endpoint is not there, rather than slow.
_TIMEOUT_SECONDS = 5


class Account:
    """Asks AWS, and returns the answer or the reason there is none.

    Sends no request that changes anything.
    """

    def __init__(self) -> None:
        self._session = botocore.session.get_session()
        self._clients: dict[str, Any] = {}

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | Unread:
        """Return AWS's answer, all its pages, to a method of the service's client.

        `Unread` names the missing permission, the absent thing, or AWS's error message. Raises
        `ConfigError` if no region is set.
        """
        client = self._client(service)
        if not client.can_paginate(operation):
            return self.ask_once(service, operation, **parameters)
        pages = client.get_paginator(operation).paginate(**parameters)
        return _answer(service, pages.build_full_result)

    def ask_once(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | Unread:
        """Return AWS's first answer, of which there may be more; else as `ask`."""
        method = getattr(self._client(service), operation)
        return _answer(service, lambda: method(**parameters))

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            config = ClientConfig(
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=_TIMEOUT_SECONDS,
                retries={"mode": "standard", "total_max_attempts": 3},
            )
            self._clients[service] = new_client(service, config, self._session)
        return self._clients[service]


def _answer(service: str, request: Callable[[], dict[str, Any]]) -> dict[str, Any] | Unread:
    try:
        return request()
    except ClientError as error:
        return _refusal(service, error)
    except BotoCoreError as error:
        return Unread(f"{service}: {error}", "check credentials, region and network")


def _refusal(service: str, error: ClientError) -> Unread:
    operation = error.operation_name
    code = error.response["Error"].get("Code", "")
    message = error.response["Error"].get("Message", "")
    if code in _DENIED:
        return Unread(
            f"the caller may not read it: {service}:{operation} is denied ({code})",
            f"allow {service}:{operation} to whoever runs the doctor",
        )
    if code in _ABSENT:
        return Unread(f"there is none ({service} {operation}: {code})", absent=True)
    return Unread(f"{service} {operation} answered {code}: {message}")
