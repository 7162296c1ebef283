"""The exit codes of every command, by name."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the shell is told, and what it means. 2 is click's own, for wrong usage."""

    meaning: str

    def __new__(cls, code: int, meaning: str = "") -> Exit:  # noqa: PYI034 -- Self is 3.11's
        """Make the number that it is for the shell, with its meaning for `--help`."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "done, and nothing is wrong"
    FAILED = 1, "AWS, the store or the input did not let the command do its work; stderr says why"
    USAGE = 2, "the command was called wrongly"
    NOT_FOUND = 3, "there is no record of the key, or no such thing in the account"
    REFUSED = 4, "it would not be safe, or the answer was no: nothing was changed"
    FOUND = 5, "the command works as it should, and has found something wrong"
    UNSURE = 6, "nothing was found wrong, but not all of it could be looked at"
