"""The ledger example on real engines, its worker killed or cut off at every step."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

import moto
import pytest
from botocore.exceptions import ConnectionClosedError

from cxone_idem import AlreadyDone, Claimed, Config, Deduplicator, DynamoDBStore
from examples.transactions.ledger_transaction import billing
from tests.conftest import needing
from tests.support.clocks import START_SECONDS, MovableClock, TellsTime
from tests.support.documents import code_blocks
from tests.support.engines import client_for, send, use_stand_in_credentials
from tests.support.events import batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest

CONFIG = Config(lease_seconds=60)
PAST_THE_LEASE_SECONDS = 60 + 3 + 1
PRICE_CENTS = 250
KEY = "conversation-17"
# A delivery sends three: the claim, the transaction, and the completion that confirms it.
REQUESTS = ("claim", "transaction", "completion")


class Bank(NamedTuple):
    """Where records and accounts are."""

    endpoint: str
    records: str
    accounts: str

    def deduplicator(self, client: Any, seconds: float = START_SECONDS) -> Deduplicator:
        """Return a consumer of its own, in a time of the test's."""
        clock = MovableClock(seconds)
        return Deduplicator(
            TellsTime(DynamoDBStore(self.records, client), clock), CONFIG, now=clock
        )

    def deliver(
        self, client: Any, seconds: float = START_SECONDS, bill: Any = billing
    ) -> list[str]:
        """Deliver the event to a worker of its own; return which messages come back."""
        event = envelope(KEY)
        event["detail"] |= {"account": "acme", "price_cents": PRICE_CENTS}
        handler = bill(self.deduplicator(client, seconds), client, self.accounts)
        return failed(handler(batch(record("m0", event)), None))

    def billed_cents(self, client: Any) -> int:
        """Return what the account holds."""
        answer = client.get_item(TableName=self.accounts, Key={"id": {"S": "acme"}})
        return int(answer.get("Item", {}).get("billed_cents", {"N": "0"})["N"])

    def is_done(self, client: Any) -> bool:
        """Tell whether the record says that the event is done."""
        answer = client.get_item(TableName=self.records, Key={"id": {"S": KEY}})
        return bool(answer.get("Item", {}).get("state") == {"S": "DONE"})


@pytest.fixture
def bank(new_table: Callable[[], Any]) -> Iterator[tuple[Bank, Any]]:
    """Return fresh tables on an engine with transactions, and a client for them."""
    records, accounts = needing(new_table(), "transactions"), new_table()
    client = client_for(records.endpoint)
    yield Bank(records.endpoint, records.name, accounts.name), client
    client.close()


def billing_in_two_steps(
    deduplicator: Deduplicator, client: Any, accounts: str
) -> Callable[[dict[str, Any], Any], object]:
    """Return the handler as it would be without the transaction: effect first, record next."""

    def process_event(event: dict[str, Any]) -> None:
        client.update_item(
            TableName=accounts,
            Key={"id": {"S": event["detail"]["account"]}},
            UpdateExpression="ADD billed_cents :price",
            ExpressionAttributeValues={":price": {"N": str(event["detail"]["price_cents"])}},
        )

    return lambda event, context: deduplicator.process_batch(event, process_event, context=context)


def deliver_and_die(bank: Bank, number: int, executed: bool, bill: Any) -> None:  # noqa: FBT001 -- a process's arguments
    """Deliver the event in a process that is killed on its nth request, executed or not."""
    use_stand_in_credentials()
    client = client_for(bank.endpoint)
    numbers = itertools.count()

    def kill(request: AWSPreparedRequest, **_: object) -> None:
        if next(numbers) == number:
            if executed:
                send(request)
            os.kill(os.getpid(), signal.SIGKILL)

    client.meta.events.register_first("before-send.dynamodb", kill)
    bank.deliver(client, bill=bill)


def killed(bank: Bank, number: int, executed: bool, bill: Any = billing) -> None:  # noqa: FBT001 -- as above
    """Run a worker until it is killed."""
    # A fork of a server that has everything imported: a new interpreter would take a second each.
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload([__name__])
    worker = forkserver.Process(target=deliver_and_die, args=(bank, number, executed, bill))
    worker.start()
    worker.join(timeout=60)
    assert worker.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("executed", [False, True], ids=["not-executed", "executed"])
@pytest.mark.parametrize("number", range(3), ids=REQUESTS)
def test_a_kill_at_any_step_leaves_the_balance_right(
    bank: tuple[Bank, Any],
    number: int,
    executed: bool,  # noqa: FBT001
) -> None:
    """Balance and record agree at every moment, and the redelivery brings both to their end."""
    tables, client = bank
    killed(tables, number, executed)
    committed = (number, executed) >= (1, True)
    assert tables.billed_cents(client) == (PRICE_CENTS if committed else 0)
    assert tables.is_done(client) is committed
    later = START_SECONDS + PAST_THE_LEASE_SECONDS
    assert tables.deliver(client, later) == []
    assert tables.billed_cents(client) == PRICE_CENTS
    assert tables.is_done(client)
    assert tables.deliver(client, later) == []
    assert tables.billed_cents(client) == PRICE_CENTS


def test_the_same_kill_doubles_what_is_done_in_two_steps(bank: tuple[Bank, Any]) -> None:
    """The kills can find something: without the transaction the window is there."""
    tables, client = bank
    killed(tables, 1, executed=True, bill=billing_in_two_steps)
    assert not tables.is_done(client)
    later = START_SECONDS + PAST_THE_LEASE_SECONDS
    assert tables.deliver(client, later, bill=billing_in_two_steps) == []
    assert tables.billed_cents(client) == 2 * PRICE_CENTS


def lose_answers(client: Any, times: int) -> list[Any]:
    """Have the next transactions executed and their answers lost; return all their bodies."""
    bodies: list[Any] = []

    def lose(request: AWSPreparedRequest, **_: object) -> None:
        bodies.append(request.body)
        if len(bodies) <= times:
            send(request)
            raise ConnectionClosedError(endpoint_url=request.url)

    client.meta.events.register_first("before-send.dynamodb.TransactWriteItems", lose)
    return bodies


def test_a_lost_answer_is_the_sdks_to_repeat(bank: tuple[Bank, Any]) -> None:
    """The retry carries the same token, so DynamoDB answers it as it answered the first."""
    tables, client = bank
    bodies = lose_answers(client, times=1)
    assert tables.deliver(client) == []
    first, again = bodies
    assert b"ClientRequestToken" in first
    assert again == first
    assert tables.billed_cents(client) == PRICE_CENTS
    assert tables.is_done(client)


def test_answers_lost_for_good_are_found_out(
    bank: tuple[Bank, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The handler raises without knowing; the adapter finds out, and deletes the message."""
    tables, _ = bank
    client = client_for(tables.endpoint, attempts=1)
    lose_answers(client, times=1)
    assert tables.deliver(client) == []
    assert "was not released" not in caplog.text
    assert tables.billed_cents(client) == PRICE_CENTS
    assert tables.is_done(client)
    client.close()


def test_a_cancelled_transaction_leaves_neither(bank: tuple[Bank, Any]) -> None:
    """What cannot be billed is not done: the event comes back at once, and works later."""
    tables, client = bank
    client.put_item(
        TableName=tables.accounts, Item={"id": {"S": "acme"}, "billed_cents": {"S": "no number"}}
    )
    assert tables.deliver(client) == ["m0"]
    assert not tables.is_done(client)
    client.delete_item(TableName=tables.accounts, Key={"id": {"S": "acme"}})
    assert tables.deliver(client) == []
    assert tables.billed_cents(client) == PRICE_CENTS
    outcome = tables.deduplicator(client).claim(KEY)
    assert isinstance(outcome, AlreadyDone)
    assert outcome.record.generation == 2


def test_a_worker_that_paused_past_its_lease_bills_nothing(bank: tuple[Bank, Any]) -> None:
    """Its transaction is refused by the newer owner's record, whenever it arrives."""
    tables, client = bank
    late = tables.deduplicator(client).claim(KEY)
    assert isinstance(late, Claimed)
    item = late.transaction_item()
    assert tables.deliver(client, START_SECONDS + PAST_THE_LEASE_SECONDS) == []
    price = {
        "Update": {
            "TableName": tables.accounts,
            "Key": {"id": {"S": "acme"}},
            "UpdateExpression": "ADD billed_cents :price",
            "ExpressionAttributeValues": {":price": {"N": str(PRICE_CENTS)}},
        }
    }
    with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
        client.transact_write_items(TransactItems=[price, item])
    refused_by = caught.value.response["CancellationReasons"][1]["Item"]
    assert refused_by["generation"] == {"N": "2"}
    assert tables.billed_cents(client) == PRICE_CENTS


@moto.mock_aws
def test_the_readmes_block_runs() -> None:
    """The block is a working consumer: two deliveries, one count, in the same transaction."""
    client = client_for(None)
    for name in ("cxone-idem", "accounts"):
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    (block,) = code_blocks("Effect and record in one transaction")
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 -- README's own code
    for _ in range(2):
        assert failed(names["handler"](batch_of(KEY), None)) == []
    account = client.get_item(TableName="accounts", Key={"id": {"S": "conv-123"}})
    assert account["Item"]["events"] == {"N": "1"}
