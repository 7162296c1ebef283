"""The exit codes of every command, by name."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the shell is told. 2 is click's own, for wrong usage."""

    OK = 0
    FAILED = 1
    """AWS, the store or the input did not let the command do its work; stderr says why."""
    USAGE = 2
    NOT_FOUND = 3
    """There is no record of the key, or no such thing in the account."""
    REFUSED = 4
    """It would not be safe, or the answer was no: nothing was changed."""
    FOUND = 5
    """The command works as it should, and has found something wrong."""
