"""The public kit's clock and store, under the short names of the tests."""

from cxone_idem.testing.rehearsal import START_SECONDS, MovableClock
from cxone_idem.testing.rehearsal import RehearsalStore as TellsTime

__all__ = ["START_SECONDS", "MovableClock", "TellsTime"]
