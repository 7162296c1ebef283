"""CloudWatch metrics of a batch: one line in embedded metric format, on stdout, if asked for.

CloudWatch Logs makes metrics of such a line by itself ("Specification: Embedded metric format"), so
that no client is called. Imported only where `CXONE_IDEM_METRICS` is set.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from cxone_idem.cause import Cause
from cxone_idem.sqs.outcome import MessageStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.config import Config
    from cxone_idem.protocol.transition import Counters, Counts
    from cxone_idem.sqs.outcome import Outcome

DUPLICATES = {cause: f"duplicates_{cause.value}" for cause in Cause if cause.is_duplicate}

UNITS = {
    "messages": "Count",
    "claimed": "Count",
    "taken_over": "Count",
    "duplicates": "Count",
    **dict.fromkeys(DUPLICATES.values(), "Count"),
    "in_progress": "Count",
    "released": "Count",
    "handler_failed": "Count",
    "second_handler": "Count",
    "lost_claims": "Count",
    "unrecorded_completions": "Count",
    "lost_answers": "Count",
    "fingerprint_mismatches": "Count",
    "key_missing": "Count",
    "attempts_exhausted": "Count",
    "store_failed": "Count",
    "not_started": "Count",
    "unprotected": "Count",
}
"""Every metric and its unit."""

_DIMENSION = "namespace"
"""The one dimension: `CXONE_IDEM_NAMESPACE`, or else the Lambda function's name."""

_RAN = frozenset(
    {
        MessageStatus.COMPLETED,
        MessageStatus.HANDLER_FAILED,
        MessageStatus.CLAIM_LOST,
        MessageStatus.UNRECORDED,
    }
)
_DROPPED = frozenset({MessageStatus.ALREADY_DONE, MessageStatus.SAME_BATCH})


def values(outcomes: Sequence[Outcome], counts: Counts) -> dict[str, int]:
    """Return each metric's value for a batch.

    A duplicate is a message that was dropped. One whose key is in progress elsewhere comes back, so
    it is counted apart.
    """
    statuses = Counter(outcome.status for outcome in outcomes)
    causes = Counter(outcome.cause for outcome in outcomes if outcome.status in _DROPPED)
    return {
        "messages": len(outcomes),
        "claimed": sum(statuses[status] for status in _RAN),
        "taken_over": counts.taken_over,
        "duplicates": sum(statuses[status] for status in _DROPPED),
        **{name: causes[cause] for cause, name in DUPLICATES.items()},
        "in_progress": statuses[MessageStatus.IN_PROGRESS],
        "released": counts.released,
        "handler_failed": statuses[MessageStatus.HANDLER_FAILED],
        "second_handler": statuses[MessageStatus.SECOND_HANDLER],
        "lost_claims": statuses[MessageStatus.CLAIM_LOST],
        "unrecorded_completions": statuses[MessageStatus.UNRECORDED],
        "lost_answers": counts.lost_answers,
        "fingerprint_mismatches": statuses[MessageStatus.FINGERPRINT_MISMATCH],
        "key_missing": statuses[MessageStatus.KEY_MISSING],
        "attempts_exhausted": statuses[MessageStatus.ATTEMPTS_EXHAUSTED],
        "store_failed": statuses[MessageStatus.STORE_FAILED],
        "not_started": statuses[MessageStatus.NO_TIME] + statuses[MessageStatus.GROUP_BLOCKED],
        "unprotected": statuses[MessageStatus.UNPROTECTED],
    }


def document(
    measured: dict[str, int], metrics_namespace: str, namespace: str, now_ms: int
) -> dict[str, Any]:
    """Return the embedded metric format's document; `namespace`, if any, is the one dimension.

    What did not happen is left out but for the number of messages: CloudWatch bills a metric for
    the hours in which it has values, and alarms can take missing data for good.
    """
    reported = {name: value for name, value in measured.items() if value or name == "messages"}
    directive = {
        "Namespace": metrics_namespace,
        "Dimensions": [[_DIMENSION] if namespace else []],
        "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in reported],
    }
    dimension = {_DIMENSION: namespace} if namespace else {}
    metadata = {"Timestamp": now_ms, "CloudWatchMetrics": [directive]}
    return {"_aws": metadata, **dimension, **reported}


class MetricsLine:
    """Writes the line of each batch it sees."""

    def __init__(
        self, config: Config, counters: Counters, now: Callable[[], float] = time.time
    ) -> None:
        self._namespaces = (config.metrics, config.namespace)
        self._counters = counters
        self._now = now

    def __call__(self, outcomes: Sequence[Outcome]) -> None:
        """Write one line, in one call, so that lines of threads do not mix."""
        measured = values(outcomes, self._counters.drain())
        line = document(measured, *self._namespaces, int(self._now() * 1000))
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
