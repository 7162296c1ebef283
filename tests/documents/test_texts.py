"""Every text that this library can raise or log, in one list: `pytest -rP` prints it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.documents.test_package import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

# Names that hold a text on its way into an error or a log line.
_NAMES = {"message", "problem", "text", "expected"}
_LOGS = {"debug", "info", "warning", "error", "exception"}
_WORDS_MIN = 5


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text with its module; what a text is filled with becomes `{}`."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            for value in _values(node):
                text = _text(value)
                if len(text.split()) >= _WORDS_MIN:
                    yield module, text


def _values(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        is_text = node.targets[0].id in _NAMES or node.targets[0].id.isupper()
        return [node.value] if is_text else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.args[:1] if node.func.attr in _LOGS else []
    if isinstance(node, ast.Return) and node.value is not None:
        return [node.value] if isinstance(node.value, (ast.JoinedStr, ast.Constant)) else []
    return []


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _text(part) if isinstance(part, ast.Constant) else "{}" for part in node.values
        )
    return ""


def test_no_text_jars() -> None:
    """Read them all: `python -m pytest tests/documents/test_texts.py -rP`."""
    found = sorted(set(texts()))
    assert len(found) > 100
    for module, text in found:
        print(f"{module}: {text}")  # noqa: T201 -- to be read
    for _, text in found:
        assert not re.search(r"\ba (?:int|[aeio]\w+ (?:is|was))\b|\bthe the\b|  ", text), text
        assert not text.endswith("."), text
        assert "something went wrong" not in text.lower()
