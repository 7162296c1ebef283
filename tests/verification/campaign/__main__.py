"""`python -m tests.verification.campaign`: the whole campaign, its control, the comparison."""

from __future__ import annotations

import argparse
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.support.engines import MISSING, is_missing, running, use_stand_in_credentials
from tests.verification.campaign.field import fight
from tests.verification.campaign.plan import Plan
from tests.verification.campaign.report import Report, comparison, judge, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engines import DynamoDBTable

# What two busy cores get through; a slower machine takes longer and judges the same.
_EVENTS_PER_SECOND = 80
_LAMBDAS, _SERVICES, _FORKED = 10, 5, 2
# The rest of the time goes to the leases of the last killed workers, three times.
_MAIN_SHARE = 0.30
_COMPARED_SHARE = 0.04
_COMPARED_AT_ONCE = 2
# A handler that hangs keeps its worker busy for a whole invocation.
_ILL_EVERY_EVENTS = 50


def main() -> int:
    """Run it; return 1 if a promise was broken, or if the negative control found nothing."""
    arguments = _arguments()
    use_stand_in_credentials()
    if is_missing(arguments.engine):
        sys.exit(MISSING[arguments.engine])
    feed = arguments.seconds * _MAIN_SHARE
    events = int(feed * _EVENTS_PER_SECOND)
    plan = Plan(
        "protected",
        arguments.seed,
        events,
        feed,
        lambdas=_LAMBDAS,
        services=_SERVICES,
        forked=_FORKED,
        ill_every_events=_ILL_EVERY_EVENTS,
    )
    with running(arguments.engine) as new_table:
        report = judge(fight(plan, new_table()))
        _print(text(report))
        compared = _compare(plan, arguments.seconds * _COMPARED_SHARE, new_table)
    control = compared["check, process, insert"]
    if not control.unexplained:
        _print("the negative control found no double: this campaign proves nothing")
    return 0 if report.is_clean and control.unexplained else 1


def _compare(plan: Plan, feed: float, new_table: Callable[[], DynamoDBTable]) -> dict[str, Report]:
    """Put every consumer through one smaller campaign, all on Lambda's terms.

    Records are deleted under this library's handlers alone: no other consumer says where its are.
    """
    events = int(feed * _EVENTS_PER_SECOND)
    smaller = replace(plan, events=events, feed_seconds=feed, services=0, forked=0)
    plans = {
        "this library": smaller,
        "check, process, insert": replace(smaller, consumer="naive"),
        "Powertools 3.37": replace(smaller, consumer="powertools"),
        "Powertools 3.37, clocks right": replace(smaller, consumer="powertools", skew_seconds=0),
    }
    with ThreadPoolExecutor(_COMPARED_AT_ONCE) as pool:
        fights = {name: pool.submit(fight, one, new_table()) for name, one in plans.items()}
        reports = {name: judge(outcome.result()) for name, outcome in fights.items()}
    _print(f"\nthe same smaller campaign ({events} events, seed {plan.seed}) for each:")
    _print(comparison(reports))
    return reports


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.verification.campaign", description=__doc__
    )
    parser.add_argument("--seconds", type=float, default=160, help="about how long it may take")
    parser.add_argument(
        "--engine", choices=["dynamodb-local", "ministack"], default="dynamodb-local"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    return parser.parse_args()


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 -- a command's output


if __name__ == "__main__":
    sys.exit(main())
