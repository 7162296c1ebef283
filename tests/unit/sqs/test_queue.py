"""Errors of the SQS client, as the library's own."""

from __future__ import annotations

from typing import Any

import pytest

from cxone_idem.errors import QueueError
from cxone_idem.sqs.queue import SqsQueue


def test_whatever_a_client_raises_is_a_queue_error() -> None:
    """Hooks run inside it, and may raise errors of their own."""

    class Client:
        def delete_message_batch(self, **_: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(QueueError) as caught:
        SqsQueue(Client(), "http://127.0.0.1/q").delete(["h"])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
