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
from cxone_idem.fate import Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.outcome import Outcome
    from cxone_idem.tally import Counts, Tally

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
    "other_content": "Count",
    "key_missing": "Count",
    "attempts_exhausted": "Count",
    "store_failed": "Count",
    "not_started": "Count",
    "unprotected": "Count",
    "write_units": "Count",
    "request_ms": "Milliseconds",
}
"""Every metric and its unit."""

_DIMENSION = "namespace"

_RAN = frozenset({Fate.COMPLETED, Fate.HANDLER_FAILED, Fate.CLAIM_LOST, Fate.UNRECORDED})
_DROPPED = frozenset({Fate.ALREADY_DONE, Fate.SAME_BATCH})


def values(outcomes: Sequence[Outcome], counts: Counts) -> dict[str, int | list[int]]:
    """Return each metric's value for a batch; `request_ms` has one value a request."""
    fates = Counter(outcome.fate for outcome in outcomes)
    causes = Counter(outcome.cause for outcome in outcomes if outcome.fate in _DROPPED)
    return {
        "messages": len(outcomes),
        "claimed": sum(fates[fate] for fate in _RAN),
        "taken_over": counts.taken_over,
        "duplicates": sum(fates[fate] for fate in _DROPPED),
        **{name: causes[cause] for cause, name in DUPLICATES.items()},
        "in_progress": fates[Fate.IN_PROGRESS],
        "released": counts.released,
        "handler_failed": fates[Fate.HANDLER_FAILED],
        "second_handler": fates[Fate.SECOND_HANDLER],
        "lost_claims": fates[Fate.CLAIM_LOST],
        "unrecorded_completions": fates[Fate.UNRECORDED],
        "lost_answers": counts.lost_answers,
        "other_content": fates[Fate.OTHER_CONTENT],
        "key_missing": fates[Fate.KEY_MISSING],
        "attempts_exhausted": fates[Fate.ATTEMPTS_EXHAUSTED],
        "store_failed": fates[Fate.STORE_FAILED],
        "not_started": fates[Fate.NO_TIME] + fates[Fate.GROUP_BLOCKED],
        "unprotected": fates[Fate.UNPROTECTED],
        "write_units": counts.write_units,
        "request_ms": counts.request_ms,
    }


def document(
    measured: dict[str, int | list[int]], metrics_namespace: str, namespace: str, now_ms: int
) -> dict[str, Any]:
    """Return the embedded metric format's document; `namespace`, if any, is the one dimension.

    What did not happen is left out but for the number of messages: CloudWatch bills a metric for
    the hours in which it has values, and alarms can take missing data for good.
    """
    told = {name: value for name, value in measured.items() if value or name == "messages"}
    directive = {
        "Namespace": metrics_namespace,
        "Dimensions": [[_DIMENSION] if namespace else []],
        "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in told],
    }
    dimension = {_DIMENSION: namespace} if namespace else {}
    metadata = {"Timestamp": now_ms, "CloudWatchMetrics": [directive]}
    return {"_aws": metadata, **dimension, **told}


class MetricsLine:
    """Writes the line of each batch it sees."""

    def __init__(
        self,
        metrics_namespace: str,
        namespace: str,
        tally: Tally,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._namespaces = (metrics_namespace, namespace)
        self._tally = tally
        self._now = now

    def __call__(self, outcomes: Sequence[Outcome]) -> None:
        """Write one line, in one call, so that lines of threads do not mix."""
        measured = values(outcomes, self._tally.take())
        line = document(measured, *self._namespaces, int(self._now() * 1000))
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
