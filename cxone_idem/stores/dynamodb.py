"""The DynamoDB store: one PutItem a write, or several writes in one BatchExecuteStatement."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from cxone_idem.errors import StoreError, require
from cxone_idem.protocol.store import NO_DEADLINE, Budget, ConditionalPut, PutResult
from cxone_idem.record import NO_VERSION, Record
from cxone_idem.runtime import SYSTEM, Runtime
from cxone_idem.stores.aws_client import LEAST_SECONDS, BoundedClient, new_client
from cxone_idem.stores.dynamodb_batch import STATEMENTS_MAX, Batches, NoBatchesError
from cxone_idem.stores.dynamodb_errors import (
    Result,
    Source,
    as_store_error,
    changed,
    concerns_all,
    date_seconds,
    refusal,
)
from cxone_idem.stores.dynamodb_item import Layout

# DynamoDB answers a PutItem in single-digit milliseconds; after a hundred times that, the request
# or its answer is lost. The SDK's 60 s outlast most Lambda time-outs.
_TIMEOUT_SECONDS = 1
REQUEST_SECONDS = 2 * _TIMEOUT_SECONDS
"""The time that one request may take: it waits for a connection, then for an answer.

The SDK sends it once, as it would pause up to 1, 2, 4 s between attempts and knows no deadline. The
store sends it up to 4 times, and fewer where an invocation ends before.
"""
logger = logging.getLogger("cxone_idem")

_WARM_UP_SECONDS = 1
# Between attempts, at random from the half to the whole of it. A throttled table has capacity again
# within a second, or later than most functions can wait; a conflict takes tens of milliseconds.
_PAUSES_SECONDS = (0.1, 0.2, 0.4)


def create_client() -> Any:
    """Create the DynamoDB client this library uses; endpoint and credentials are the SDK's to find.

    Pass a client of your own for a session of your own.
    """
    config = ClientConfig(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
        # Every request is built here, and DynamoDB checks it again: the SDK's check between the two
        # is a third of a batch's CPU time. The tests run with it.
        parameter_validation=False,
    )
    return new_client("dynamodb", config)


class DynamoDBStore:
    """Records as items of one DynamoDB table. Needs `dynamodb:PutItem` on it and nothing more.

    `client` is any boto3 DynamoDB client; the default has time-outs that suit a Lambda function,
    and is made anew in a forked process. A client of your own keeps its own retries and time-outs:
    give each process one. The table has a partition key (text) named `partition_key` and no sort
    key.
    """

    def __init__(
        self,
        table: str,
        client: Any = None,
        *,
        partition_key: str = "id",
        ttl_attribute: str = "expires_at",
        runtime: Runtime = SYSTEM,
    ) -> None:
        require(isinstance(table, str), "table must be a name", table, "pass the table's name")
        self._client = BoundedClient(create_client, _checked_client(client))
        layout = Layout(partition_key, ttl_attribute)
        self._source = Source(table, layout, "PutItem", self._client.region)
        self._batches = Batches(self._source, self._client, runtime.monotonic)
        self._runtime = runtime

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Write `record` by one PutItem on the condition that the item's version is as expected.

        The refused write's item comes with the refusal, so nothing is ever read
        (`ReturnValuesOnConditionCheckFailure`, PutItem in the DynamoDB API Reference).
        """
        (result,) = self.put_many([ConditionalPut(record, expected_version)])
        if isinstance(result, StoreError):
            raise result
        return result

    def put_many(
        self, puts: Sequence[ConditionalPut], budget: Budget = NO_DEADLINE
    ) -> list[Result]:
        """Do what `put_if` does for each write, several in one BatchExecuteStatement.

        That needs `dynamodb:PartiQLInsert` and `dynamodb:PartiQLUpdate`; without them, or on an
        engine without PartiQL, each write is a PutItem of its own. What fails for a passing reason
        is sent again, together, after a pause.
        """
        results = self._send(puts, budget)
        for pause_seconds in _PAUSES_SECONDS[: budget.attempts - 1]:
            again = [
                n
                for n, one in enumerate(results)
                if isinstance(one, StoreError) and one.retryable and one.attempts < budget.attempts
            ]
            if not again or not self._pause(pause_seconds, budget):
                break
            # Last first: one that fails again and again must not keep the others from their turn.
            again.reverse()
            for n, result in zip(again, self._send([puts[n] for n in again], budget), strict=True):
                results[n] = _after(results[n], result)
        return results

    def transaction_item(self, put: ConditionalPut) -> dict[str, Any]:
        """Return the entry of TransactWriteItems that does what `put_if` would.

        It needs the same permission ("Using IAM with DynamoDB transactions", Developer Guide).
        """
        return {"Put": self._parameters(put)}

    def warm_up(self) -> None:
        """Send one request that writes nothing, so that the first event finds a connection.

        The first HTTPS request loads certificates, shakes hands and imports lazily: in Lambda's
        init phase that costs no invocation. Its condition cannot hold. It takes a second at most,
        and a failure is logged and not raised: a missing table or permission shows before the first
        event does.
        """
        table, layout, *_ = self._source
        try:
            self._client.send(
                "put_item",
                _WARM_UP_SECONDS,
                TableName=table,
                Item={layout.partition_key: {"S": "warm-up"}},
                ConditionExpression="attribute_exists(#key) AND attribute_not_exists(#key)",
                ExpressionAttributeNames={"#key": layout.partition_key},
            )
        except Exception as error:  # noqa: BLE001 -- nothing about it is worth an event
            failure = as_store_error(error, self._source)
            if failure.code != "ConditionalCheckFailedException":
                logger.warning("the warm-up request failed, as claims will: %s", failure)

    def _send(self, puts: Sequence[ConditionalPut], budget: Budget) -> list[Result]:
        """Send each write once, in as few requests as can be; find out what refused it."""
        if len(puts) == 1 or self._batches.are_off():
            return self._send_singly(puts, budget)
        # An item without a version needs a condition that PartiQL's UPDATE has no words for.
        versioned = [put for put in puts if put.expected_version != NO_VERSION]
        rest = [put for put in puts if put.expected_version == NO_VERSION]
        results: dict[ConditionalPut, Result] = {}
        for start in range(0, len(versioned), STATEMENTS_MAX):
            chunk = versioned[start : start + STATEMENTS_MAX]
            results.update(zip(chunk, self._send_batch(chunk, budget), strict=True))
        results.update(zip(rest, self._send_singly(rest, budget), strict=True))
        return [results[put] for put in puts]

    def _send_batch(self, puts: Sequence[ConditionalPut], budget: Budget) -> list[Result]:
        """Send writes in one request, and those singly that it gave no result for.

        What a failed batch may have written carries the same versions, so it is recognised.
        """
        if len(puts) == 1:
            return self._send_singly(puts, budget)
        try:
            results = self._batches.put(puts, budget)
        except NoBatchesError as error:
            singly = self._send_singly(puts, budget)
            if all(isinstance(result, PutResult) for result in singly):
                self._batches.switch_off(error)
            return singly
        without = [n for n, result in enumerate(results) if result is None]
        singly = self._send_singly([puts[n] for n in without], budget)
        for n, result in zip(without, singly, strict=True):
            results[n] = result
            self._batches.note_refusal(puts[n], result)
        return [result for result in results if result is not None]

    def _send_singly(self, puts: Sequence[ConditionalPut], budget: Budget) -> list[Result]:
        """Send a PutItem for each write, up to the first failure that concerns all."""
        results: list[Result] = []
        for put in puts:
            result = self._put(put, budget)
            results.append(result)
            if isinstance(result, StoreError) and concerns_all(result):
                results += [
                    changed(result, outcome_unknown=False, attempts=0) for _ in puts[len(results) :]
                ]
                break
        return results

    def _put(self, put: ConditionalPut, budget: Budget) -> Result:
        left_seconds = budget.seconds_left()
        try:
            response = self._client.send("put_item", left_seconds, **self._parameters(put))
        except Exception as error:  # noqa: BLE001 -- a hook may raise anything, and the write may have landed
            response = getattr(error, "response", None) or {}
            code = response.get("Error", {}).get("Code")
            if isinstance(error, ClientError) and code == "ConditionalCheckFailedException":
                return refusal(put, response, self._source, date_seconds(response))
            return as_store_error(error, self._source, self._client.attempts)
        return PutResult(written=True, date_seconds=date_seconds(response))

    def _parameters(self, put: ConditionalPut) -> dict[str, Any]:
        """Return what PutItem takes, and `Put` in a transaction."""
        layout = self._source.layout
        parameters = layout.condition(put.expected_version)
        parameters["TableName"] = self._source.table
        parameters["Item"] = layout.to_item(put.record)
        parameters["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return parameters

    def _pause(self, seconds: float, budget: Budget) -> bool:
        """Pause before another attempt; return False if there is no time for both."""
        # At random, or those that were throttled together would come back together.
        pause_seconds = seconds * (1 + self._runtime.random()) / 2
        if budget.seconds_left() < pause_seconds + LEAST_SECONDS:
            return False
        self._runtime.sleep(pause_seconds)
        return True


def _checked_client(client: Any) -> Any:
    """Return a client, or None for one of our own; raise `TypeError` for another object."""
    # A resource of a table has `put_item` too, with other parameters.
    is_resource = type(getattr(client, "meta", None)).__name__ == "ResourceMeta"
    is_client = not is_resource and callable(getattr(client, "put_item", None))
    expected = "client must be a low-level DynamoDB client"
    fix = "pass boto3.client('dynamodb'), or the .meta.client of a resource"
    require(client is None or is_client, expected, client, fix)
    return client


def _after(before: Result, result: Result) -> Result:
    """Return the result of a later attempt: an earlier one may have been carried out."""
    if not isinstance(before, StoreError) or not isinstance(result, StoreError):
        return result
    return changed(
        result,
        outcome_unknown=before.outcome_unknown or result.outcome_unknown,
        attempts=before.attempts + result.attempts,
    )
