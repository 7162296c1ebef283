"""An AWS account as far as the caller may read it. Only this module of the doctor knows the SDK."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from cxone_idem.doctor.check import UnreadError
from cxone_idem.stores.aws_client import new_client

_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
_ABSENT = ("NonExistentQueue", "QueueDoesNotExist", "NoSuchEntity", "NotFoundException")
# A person waits: after 5 s an endpoint is not there, rather than slow.
_CLIENT = ClientConfig(
    connect_timeout=5, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}
)


class Account:
    """Asks AWS. Sends no request that changes anything."""

    def __init__(self) -> None:
        self._session = botocore.session.get_session()
        self._clients: dict[str, Any] = {}
        self._answers: dict[str, Any] = {}

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        """Return AWS's answer, all its pages, to a method of the service's client. Asks once.

        Raises `UnreadError`, which names the missing permission, the absent thing, or AWS's error
        message; and `ConfigError` if the SDK's settings cannot be used.
        """
        question = json.dumps([service, operation, parameters], sort_keys=True)
        if question not in self._answers:
            self._answers[question] = self._ask(service, operation, parameters)
        return self._answers[question]

    def _ask(self, service: str, operation: str, parameters: dict[str, Any]) -> Any:
        if service not in self._clients:
            self._clients[service] = new_client(service, _CLIENT, self._session)
        client = self._clients[service]
        try:
            if client.can_paginate(operation):
                return client.get_paginator(operation).paginate(**parameters).build_full_result()
            return getattr(client, operation)(**parameters)
        except ClientError as error:
            raise _refusal(service, error) from error
        except BotoCoreError as error:
            is_name = isinstance(error, ParamValidationError)
            fix = "check the name" if is_name else "check credentials, region and network"
            reason = f"{service}: {' '.join(str(error).split())}"
            raise UnreadError(reason, fix) from error


def _refusal(service: str, error: ClientError) -> UnreadError:
    operation = error.operation_name
    code = error.response["Error"].get("Code", "")
    if code in _DENIED:
        return UnreadError(
            f"the caller may not read it: {service}:{operation} is denied ({code})",
            f"allow {service}:{operation} to whoever runs the doctor",
        )
    if code.endswith(_ABSENT):
        return UnreadError(f"there is none ({service} {operation}: {code})", absent=True)
    message = error.response["Error"].get("Message", "")
    return UnreadError(f"{service} {operation} answered {code}: {message}")
