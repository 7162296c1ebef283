"""Read by the type checker only: a decorated function keeps its parameters and its result."""

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from cxone_idem import Claimed, Deduplicator, MemoryStore, current_claim, once

Event = dict[str, Any]


@once
def plain(event: Event, context: object, *, dry_run: bool = False) -> int:
    """Return something."""
    return len(event) + bool(context) + dry_run


@once(key="id", deduplicator=Deduplicator(MemoryStore()))
def with_arguments(event: Event) -> str:
    """Return something."""
    return str(event)


@once(key=lambda event: str(event["id"]), store_result=True)
def with_result(event: Event) -> list[str]:
    """Return something."""
    return [*event]


@once(store_result=False)
def without_result(event: Event) -> list[str]:
    """Return something."""
    return [*event]


def calls(event: Event) -> None:
    """Say what mypy must make of each call."""
    # A duplicate gets None, unless results are stored.
    assert_type(plain(event, None, dry_run=True), int | None)
    assert_type(with_arguments(event), str | None)
    assert_type(with_result(event), list[str])
    assert_type(without_result(event), list[str] | None)
    assert_type(current_claim(), Claimed | None)


def mistakes(event: Event) -> None:
    """Each line is refused: an ignore that nothing needs is an error of its own."""
    plain(event)  # type: ignore[call-arg]
    plain("event", None)  # type: ignore[arg-type]
    plain(event, None, wet_run=True)  # type: ignore[call-arg]
    with_result(event).keys()  # type: ignore[attr-defined]
    once(key=17)  # type: ignore[call-overload]
    once("id")  # type: ignore[call-overload]
    Deduplicator(MemoryStore()).complete(event)  # type: ignore[arg-type]
