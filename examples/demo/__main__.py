"""Runs the demo, and ends with 1 if it did not show what it should. Read `race.py` next."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.demo import race
from examples.local_stack import MINISTACK, ministack

PICTURE = Path(__file__).resolve().parents[2] / "dist" / "race.svg"

INTRODUCTION = f"""\
{race.EVENTS} conversation.start events, each sent to SQS twice within 100 ms, to two
consumers with {race.WORKERS} worker processes each:

  naive       if exists(key): return; process_event(event); insert(key)
  cxone_idem  process_batch(event, process_event)

Meanwhile a worker with cxone_idem on a third queue is killed in mid-event.
"SQS" and "DynamoDB" are ministack here, a local program that speaks their HTTP
protocols. No AWS account is involved. It takes about ten seconds.
"""

REPORT = """\
                              naive   cxone_idem
  ----------------------------------------------
  events                     {naive.events:8} {ours.events:12}
  both copies within 100 ms  {naive.sent_close:8} {ours.sent_close:12}
  deliveries                 {naive.deliveries:8} {ours.deliveries:12}
  process_event ran          {naive.processed:8} {ours.processed:12}
  events doubled             {naive.doubled:8} {ours.doubled:12}
  events lost                {naive.lost:8} {ours.lost:12}
  DynamoDB requests          {naive.requests:8} {ours.requests:12}

Deliveries: each queue got {race.MESSAGES} messages. While one copy is being worked on,
cxone_idem leaves the other in the queue: if that worker died, this copy would
get the work. SQS brings it back {race.VISIBILITY_SECONDS} s later: done by then, it is dropped.
That made {again} deliveries more, and no more work.
Requests: naive reads, then writes, for one message at a time; cxone_idem claims
a batch in one request.

The killed worker: SIGKILL in mid-event, with a lease of {race.LEASE_SECONDS} s and 3 s of margin.
Until that was over, its event was refused to another worker (deliveries: {end.refused}),
which then took over, {end.waited_seconds:.1f} s after the kill: generation {generations}.
Effects: {end.effects}. Recorded as done: {end.is_done}.
"""


def main() -> int:
    """Play both scenes and report."""
    if not MINISTACK.exists():
        print("ministack is missing: `make demo` installs it, and starts this", file=sys.stderr)
        return 2
    print(INTRODUCTION, flush=True)
    started = time.monotonic()
    with (
        TemporaryDirectory() as folder,
        ministack() as endpoint,
        # The lease of the killed worker runs while the consumers race.
        race.killed_worker(endpoint, Path(folder)) as aftermath,
    ):
        figures, takeover = race.run(endpoint, Path(folder), PICTURE), aftermath()
    naive, ours = figures["naive"], figures["cxone_idem"]
    again = ours.deliveries - race.MESSAGES
    steps = " -> ".join(map(str, takeover.generations))
    print(
        REPORT.format(
            race=race, naive=naive, ours=ours, again=again, end=takeover, generations=steps
        )
    )
    print(f"All of this took {time.monotonic() - started:.0f} s.")
    print(f"The race as it ran: {PICTURE.relative_to(PICTURE.parents[1])}")
    found = mistakes(naive, ours, takeover)
    for mistake in found:
        print(f"not as it should be: {mistake}", file=sys.stderr)
    return 1 if found else 0


def mistakes(naive: race.Figures, ours: race.Figures, takeover: race.Takeover) -> list[str]:
    """Return what the demo failed to show; nothing if all went as the library promises."""
    checks = {
        "the naive consumer doubled no event: no race was shown": naive.doubled > 0,
        f"cxone_idem doubled {ours.doubled} events": ours.doubled == 0,
        f"cxone_idem lost {ours.lost} events": ours.lost == 0,
        "the killed worker's event was not taken over": takeover.generations == [1, 2],
        f"the killed worker's event had {takeover.effects} effects": takeover.effects == 1,
        "the killed worker's event is not recorded as done": takeover.is_done,
    }
    return [mistake for mistake, is_right in checks.items() if not is_right]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
