"""A duplicate in the log of Amazon's own Lambda runtime, as the operations guide shows it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.documents import code_blocks
from tests.support.events import batch, envelope, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.lambda_runtime.runtime import Runtime

    Deploy = Callable[..., Runtime]

pytestmark = pytest.mark.engine

HANDLER = "tests.support.watched.logs.handler"
# Lambda sets both; INFO is its default level in this format.
JSON_FORMAT = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
CHANGING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|\+0000)"
    r"|(?<=done_at_ms\":) ?\d+|(?<=log_message:)\d+"
)


def lines_of_a_duplicate(deploy: Deploy, **env: str) -> list[str]:
    """Deliver a message twice; return what the log says of the duplicate."""
    runtime = deploy(HANDLER, **env)
    for receive_count in "12":
        message = record("m1", envelope("k1"), ApproximateReceiveCount=receive_count)
        assert runtime.invoke(batch(message)) == '{"batchItemFailures": []}'
    return [line for line in runtime.output() if "duplicate of" in line]


def steady(text: str) -> str:
    """Return a line of the log without what is another at each run."""
    return CHANGING.sub("0", text)


def test_lambdas_text_format_shows_it_with_one_line_of_code(deploy: Deploy) -> None:
    """The root logger stays at WARNING."""
    (line,) = lines_of_a_duplicate(deploy, CODE=code_blocks("A duplicate in the log")[0])
    (shown,) = code_blocks("A duplicate in the log", "text")
    assert steady(line) == steady(shown.strip())


def test_lambdas_text_format_shows_none_without_it(deploy: Deploy) -> None:
    """Control: INFO is below the root logger's level."""
    assert lines_of_a_duplicate(deploy) == []


def test_lambdas_json_format_shows_it_with_its_fields(deploy: Deploy) -> None:
    """At Lambda's default level for this format, and not at WARNING."""
    (line,) = lines_of_a_duplicate(deploy, **JSON_FORMAT)
    shown, _ = code_blocks("A duplicate in the log", "json")
    assert json.loads(steady(line)) == json.loads(steady(shown))
    assert lines_of_a_duplicate(deploy, **JSON_FORMAT | {"AWS_LAMBDA_LOG_LEVEL": "WARN"}) == []


@pytest.mark.parametrize("log_format", [{}, JSON_FORMAT], ids=["text", "JSON"])
def test_powertools_logger_shows_it_once_in_either_format(
    deploy: Deploy, log_format: dict[str, str]
) -> None:
    """The guide's consumer: the line has the invocation's fields and the library's."""
    (line,) = lines_of_a_duplicate(deploy, CODE=code_blocks("Beside Powertools")[0], **log_format)
    blocks = code_blocks("A duplicate in the log", "json")
    fields, shown = (json.loads(steady(block)) for block in blocks)
    assert json.loads(steady(line)) == {**shown, "cxone_idem": fields["cxone_idem"]}
