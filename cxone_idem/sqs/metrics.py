"""CloudWatch metrics of a batch: one line in embedded metric format, on stdout, if asked for.

CloudWatch Logs makes metrics of such a line by itself ("Specification: Embedded metric format"), so
that no client is called. Imported only where `CXONE_IDEM_METRICS` is set.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from cxone_idem.cause import Cause
from cxone_idem.config import Config
from cxone_idem.protocol.transition import Counters, Counts
from cxone_idem.sqs.outcome import MessageStatus, Outcome

DUPLICATES = {cause: f"duplicates_{cause.value}" for cause in Cause if cause.is_duplicate}

_DROPPED = (MessageStatus.ALREADY_DONE, MessageStatus.SAME_BATCH)
_STATUSES = {
    "claimed": (
        MessageStatus.COMPLETED,
        MessageStatus.HANDLER_FAILED,
        MessageStatus.CLAIM_LOST,
        MessageStatus.UNRECORDED,
    ),
    "duplicates": _DROPPED,
    "in_progress": (MessageStatus.IN_PROGRESS,),
    "handler_failed": (MessageStatus.HANDLER_FAILED,),
    "second_handler": (MessageStatus.SECOND_HANDLER,),
    "lost_claims": (MessageStatus.CLAIM_LOST,),
    "unrecorded_completions": (MessageStatus.UNRECORDED,),
    "fingerprint_mismatches": (MessageStatus.FINGERPRINT_MISMATCH,),
    "key_missing": (MessageStatus.KEY_MISSING,),
    "attempts_exhausted": (MessageStatus.ATTEMPTS_EXHAUSTED,),
    "store_failed": (MessageStatus.STORE_FAILED,),
    "not_started": (MessageStatus.NO_TIME, MessageStatus.GROUP_BLOCKED),
    "unprotected": (MessageStatus.UNPROTECTED,),
}
"""The statuses that a metric counts."""

UNITS = dict.fromkeys(("messages", *_STATUSES, *DUPLICATES.values(), *Counts._fields), "Count")
"""Every metric and its unit."""

_DIMENSION = "namespace"
"""The one dimension: `CXONE_IDEM_NAMESPACE`, or else the Lambda function's name."""


def values(outcomes: Sequence[Outcome], counts: Counts) -> dict[str, int]:
    """Return each metric's value for a batch."""
    statuses = Counter(outcome.status for outcome in outcomes)
    causes = Counter(outcome.cause for outcome in outcomes if outcome.status in _DROPPED)
    return {
        "messages": len(outcomes),
        **{name: sum(statuses[one] for one in counted) for name, counted in _STATUSES.items()},
        **{name: causes[cause] for cause, name in DUPLICATES.items()},
        **counts._asdict(),
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
