"""Bills conversations to accounts in DynamoDB: the balance and the record are one transaction.

There is no moment at which a worker could die between the effect and its record: either both are
in DynamoDB or neither is. The function's role needs `dynamodb:UpdateItem` on the table of accounts,
and for the records `dynamodb:PutItem` as always.

On Lambda, at the end of such a module:

    handler = billing(Deduplicator.from_environ(), boto3.client("dynamodb"), "accounts")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem import current_claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem import Deduplicator


def billing(
    deduplicator: Deduplicator, client: Any, accounts: str
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Return a Lambda handler that bills to the table `accounts`, whose partition key is `id`.

    `client` is a low-level client: what `boto3.resource` gives would encode the record once more.
    """

    def process_event(event: dict[str, Any]) -> None:
        detail = event["detail"]
        writes: list[Any] = [
            {
                "Update": {
                    "TableName": accounts,
                    "Key": {"id": {"S": detail["account"]}},
                    "UpdateExpression": "ADD billed_cents :price",
                    "ExpressionAttributeValues": {":price": {"N": str(detail["price_cents"])}},
                }
            }
        ]
        claim = current_claim()
        if claim:  # there is none while CXONE_IDEM_DISABLED is set
            writes.append(claim.transaction_item())
        # The SDK gives the request a ClientRequestToken, which its own retries repeat: for ten
        # minutes DynamoDB answers them as it answered the first. What raises here, raises to the
        # adapter, which finds out whether the transaction was committed all the same.
        client.transact_write_items(TransactItems=writes)

    def handler(event: dict[str, Any], context: Any) -> Any:
        return deduplicator.process_batch(event, process_event, context=context)

    return handler
