"""The front door: every verb on one object, and the one that the environment describes."""

from __future__ import annotations

import time
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from cxone_idem.chance import random_share, random_version
from cxone_idem.claims import Claims
from cxone_idem.config import Config, checked_workers
from cxone_idem.invocation import Invocation
from cxone_idem.sqs_batch import (
    BatchResponse,
    Envelope,
    Observer,
    batch_response,
    checked_hook,
    settle_batch,
    show,
    without_frames,
)
from cxone_idem.store import AcceptEverything, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cxone_idem.aligner import Aligner
    from cxone_idem.invocation import LambdaContext
    from cxone_idem.outcome import Outcome


class Deduplicator(Claims):
    """Claims, and the SQS batch adapter on top of them. Make one for each process and keep it.

    On Lambda make it outside the handler: its connection then serves every invocation.
    """

    def __init__(  # noqa: PLR0913 -- all that this process does not decide for itself
        self,
        store: Store,
        config: Config | None = None,
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
        now: Callable[[], float] = time.time,
        new_version: Callable[[], str] = random_version,
        sleep: Callable[[float], object] = time.sleep,
        share: Callable[[], float] = random_share,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Work on `store`. `on_outcome` is called once for each message of a settled batch.

        It can change no outcome: what it raises is logged. `now` (epoch seconds) and what follows
        are for tests.
        """
        super().__init__(
            store,
            config,
            now=now,
            new_version=new_version,
            sleep=sleep,
            share=share,
            monotonic=monotonic,
        )
        self._on_outcome = checked_hook(on_outcome)
        self._looking_on: list[Observer] = []
        if self.config.metrics:
            self._looking_on.append(self._metrics_line(now))

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
    ) -> Deduplicator:
        """Make a deduplicator on DynamoDB as the `CXONE_IDEM_*` variables say.

        Raises `ConfigError`, which lists every wrong variable.
        """
        config = Config.from_environ(environ)
        deduplicator = cls(_store(config), config, on_outcome=on_outcome)
        _ = deduplicator._aligner  # its client, too, belongs in Lambda's init phase
        return deduplicator

    def process_batch(
        self,
        event: Any,
        process_event: Callable[[Envelope], object],
        *,
        context: LambdaContext | None = None,
        max_workers: int | None = None,
    ) -> BatchResponse:
        """Run `process_event` once per key over the messages of a Lambda event from SQS.

        `process_event` gets each message's parsed EventBridge envelope. Return the result to
        Lambda as it is: it names the messages that must come back. Pass Lambda's `context`, so that
        leases end with the invocation and no message is started too late. With `max_workers` (by
        default `CXONE_IDEM_MAX_WORKERS`, 1) a thread-safe `process_event` runs in that many
        threads; messages of one FIFO group or one key never run side by side.

        A message fails, and nothing else happens to it, if its handler raises, if it yields no key,
        if its key is in progress elsewhere or if the store cannot tell. Raises `IdemError` if
        `event` is not from SQS or a message has no id, and `TypeError` if `process_event` is no
        plain function; then the whole batch comes back. Raises what failed the messages, too, if
        retrying cannot help any of them: a `StoreError` such as a missing table, or the `IdemError`
        of a second function for events that another one did.
        """
        return batch_response(
            self.settle(event, process_event, Invocation(context), max_workers=max_workers)
        )

    def settle(
        self,
        event: Any,
        process_event: Callable[[Envelope], object],
        invocation: Invocation,
        *,
        max_workers: int | None = None,
    ) -> list[Outcome]:
        """Do what `process_batch` does, in any invocation; say what became of each message.

        Who keeps an outcome keeps its error, but not what the handler worked on.
        """
        return without_frames(self._settle(event, process_event, invocation, max_workers))

    def _settle(
        self,
        event: Any,
        process_event: Callable[[Envelope], object],
        invocation: Invocation,
        max_workers: int | None,
    ) -> list[Outcome]:
        workers = self.config.max_workers if max_workers is None else checked_workers(max_workers)
        outcomes = settle_batch(self, event, process_event, invocation, workers)
        for observer in self._observers(invocation):
            show(outcomes, observer)
        if self._on_outcome is not None:
            for outcome in outcomes:
                show(outcome, self._on_outcome)
        return outcomes

    def _observers(self, invocation: Invocation) -> Sequence[Observer]:
        """Return what looks on when a batch is settled."""
        looking_on = list(self._looking_on)
        if self._aligner:
            looking_on.append(partial(self._aligner.align, invocation=invocation))
        return looking_on

    def _metrics_line(self, now: Callable[[], float]) -> Observer:
        # Imported here: who writes no metrics need not load what writes them.
        from cxone_idem.metrics import MetricsLine  # noqa: PLC0415

        self._writer.tally.start()
        return MetricsLine(self.config.metrics, self.config.namespace, self._writer.tally, now)

    @cached_property
    def _aligner(self) -> Aligner | None:
        if not self.config.align_visibility:
            return None
        # Imported here: only who asks for it pays for the SQS client.
        from cxone_idem.aligner import Aligner  # noqa: PLC0415

        return Aligner()


def _store(config: Config) -> Store:
    if config.disabled:
        return AcceptEverything()
    # Imported here: a consumer on MemoryStore, or with the switch thrown, needs no AWS SDK.
    from cxone_idem.dynamodb import DynamoDBStore  # noqa: PLC0415

    return DynamoDBStore(
        config.table, partition_key=config.partition_key, ttl_attribute=config.ttl_attribute
    )
