"""Every text that this library can raise, log or print, in one list: `pytest -rP` prints it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from sphinx.pycode import ModuleAnalyzer

from tests.documents.site.pages import API, public_names
from tests.documents.test_package import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

# Shorter ones are parts of others, or names.
_WORDS_MIN = 3
# A clause of a list of causes or of what to check is the longest.
_CLAUSE_WORDS_MAX = 20
_CODE = ("attribute_", "#version", "INSERT", "UPDATE", "WHERE", "detail.", "[detail.", "Validation")
"""The beginnings of what is read by a machine."""

_VALUE = r"(?:\{\w*\}|%[ds])"
_THINGS = (
    "answers|arguments|attempts|checks|duplicates|items|lines|messages|records|requests|responses"
    "|threads|times|writes"
)
_SLIPS = {
    "an article that does not fit": r"\b[Aa] (?:[aeioAEIO]|SQS|SNS)|\b[Aa]n [bcdgjkpqtvwyz]",
    "an article before what may begin with any letter": rf"\ban? {_VALUE}",
    "a word twice": r"\b(\w+) \1\b",
    "two spaces": r"\S  ",
    "a number that may be 1 before many": rf"(?<!of ){_VALUE} (?:log )?(?:{_THINGS})\b",
    "no news": r"(?i)something went wrong|an error occurred",
}


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text with its module; what a text is filled with becomes `{}`."""
    for module, path in sorted(MODULES.items()):
        tree = ast.parse(path.read_text())
        no_texts: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr):  # a docstring
                no_texts.add(id(node.value))
            elif isinstance(node, ast.JoinedStr):
                no_texts |= {id(part) for part in node.values}
        for node in ast.walk(tree):
            text = "" if id(node) in no_texts else _text(node)
            if len(text.split()) >= _WORDS_MIN and not text.startswith(_CODE):
                yield module, text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _text(part) if isinstance(part, ast.Constant) else "{}" for part in node.values
        )
    return ""


def slips(module: str, text: str) -> list[str]:
    """Return what jars in a text."""
    found = [slip for slip, pattern in _SLIPS.items() if re.search(pattern, text)]
    if text.endswith(".") and not module.startswith("cli."):  # where it is an option's help
        found.append("a full stop at the end of what goes on")
    clauses = re.split(r"[;:.] |, (?:and|but|so|which)\b|[()]", text)
    if max(len(clause.split()) for clause in clauses) > _CLAUSE_WORDS_MAX:
        found.append("a clause that is too long")
    return found


def test_no_text_jars() -> None:
    """Read them all: `python -m pytest tests/documents/test_texts.py -rP`."""
    for module, text in texts():
        print(f"{module}: {text}")  # noqa: T201 -- to be read
    jarring = {text: found for module, text in texts() if (found := slips(module, text))}
    assert jarring == {}


def test_a_text_stands_in_one_place() -> None:
    """What is written twice is corrected once."""
    long = [text for module, text in texts() if module[:4] != "cli." and len(text.split()) > 5]
    assert {text for text, times in Counter(long).items() if times > 1} == set()


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("stores.dynamodb_errors", "DynamoDB throttled the request"),
        ("events.key", "this is no EventBridge event"),
        ("events.handler", "it is a class, and making an object"),
        ("sqs.logs", " ran, key %(key)s"),
        ("sqs.dead_letters", "tried as often as"),
        ("setting", "a name of 1 to 255"),
        ("config", "is the partition key as well"),
        ("errors", "no claim on key {}"),
        ("doctor.table", "switch to on-demand"),
        ("cli.dead_letters", "it is the dead-letter queue itself"),
    ],
)
def test_the_list_has_the_texts_of_each_kind(module: str, words: str) -> None:
    """Wherever in the code they stand, and however short they are."""
    assert any(text.startswith(words) for where, text in texts() if where == module)


@pytest.mark.parametrize(
    ("text", "slip"),
    [
        ("expected a int here", "article"),
        ("this is a SQS message", "article"),
        ("this is an table", "article"),
        ("got a {}, expected more", "article"),
        ("the the key is", "twice"),
        ("a key  is blank", "spaces"),
        ("sent {} messages and stopped", "many"),
        ("it took %d attempts to write", "many"),
        ("Something went wrong here", "news"),
        ("a key is blank.", "full stop"),
        (" ".join(["word", "other"] * 13), "long"),
    ],
)
def test_a_planted_slip_is_found(text: str, slip: str) -> None:
    """Control: each rule can fail."""
    assert [found for found in slips("errors", text) if slip in found]


@pytest.mark.parametrize("module", API)
def test_fields_and_values_have_words_of_their_own(module: str) -> None:
    """Without, the site says `Alias for field number 0`, or what a str is."""
    own = ModuleAnalyzer.for_module(module).find_attr_docs()
    for name in public_names(module):
        found = getattr(import_module(module), name)
        docs = ModuleAnalyzer.for_module(getattr(found, "__module__", module)).find_attr_docs()
        for field in getattr(found, "_fields", ()):
            assert (name, field) in docs, f"{name}.{field}"
        assert callable(found) or ("", name) in own, name
