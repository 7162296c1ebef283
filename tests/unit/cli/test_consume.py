"""`consume --handler`: which functions it takes, and the error for the rest."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cxone_idem.cli.app import cli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


HANDLERS = """
import functools

class Service:
    def __init__(self, event):
        pass
    def generator(self, event):
        yield event
    def process(self, event):
        pass

class Called:
    async def __call__(self, event):
        pass

def generator(event):
    yield event

async def coroutine(event):
    pass

async def async_generator(event):
    yield event

def nothing():
    pass

def two(event, context):
    pass

def raises(event):
    raise RuntimeError

number = 17
method = Service({}).generator
partial = functools.partial(coroutine)
called = Called()
"""


@pytest.fixture(autouse=True)
def _handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_handlers.py").write_text(HANDLERS)
    (tmp_path / "broken_handlers.py").write_text("def broken(:\n")
    (tmp_path / "raising_handlers.py").write_text("raise ValueError('two\\nlines')\n")
    (tmp_path / "exiting_handlers.py").write_text("import sys\nsys.exit('no')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.fixture(autouse=True)
def _signals_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_name_without_a_colon_is_told_the_form() -> None:
    """Rather than why it cannot be imported."""
    _refused("some_handlers", "expected MODULE:FUNCTION")


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        ("Service", "it is a class"),
        ("generator", "it is a generator"),
        ("method", "it is a generator"),
        ("coroutine", "it is async"),
        ("partial", "it is async"),
        ("called", "it is async"),
        ("async_generator", "it is an async generator"),
        ("nothing", "it cannot be called with the event alone (too many positional arguments)"),
        ("two", "it cannot be called with the event alone (missing a required argument"),
        ("number", "it cannot be called"),
        ("absent", "is not a function to import"),
        ("", "is no function: expected MODULE:FUNCTION"),
    ],
)
def test_what_is_no_function_of_an_event_is_wrong_usage(handler: str, says: str) -> None:
    """One line that names it and says why, before any queue is asked."""
    _refused(f"some_handlers:{handler}", says)


@pytest.mark.parametrize("module", ["broken", "raising", "exiting", "absent"])
def test_a_module_that_cannot_be_imported_is_wrong_usage(module: str) -> None:
    """Whatever its import raises."""
    _refused(f"{module}_handlers:process", "is not a function to import")


@pytest.mark.parametrize("handler", ["number", "coroutine", "nothing", "absent"])
def test_so_is_what_cannot_decode(handler: str) -> None:
    """By the same rules, and the line names the option."""
    good = ("--handler", "builtins:print")
    _refused(f"some_handlers:{handler}", "Invalid value for --decode", *good, "--decode")


def _refused(handler: str, says: str, *options: str) -> None:
    arguments = ["consume", "--queue", "q", *(options or ["--handler"]), handler]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    (line,) = [line for line in result.output.splitlines() if "error: " in line]
    assert says in line
    assert handler in line
    assert result.output.endswith(line + "\n")
