"""The stack of `examples/sam`, deployed once for all tests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.infrastructure.deployment import Deployment, deployed
from tests.support.engines import require

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def deployment() -> Iterator[Deployment]:
    """Return the stack on the local stand-in."""
    require("ministack")
    with deployed() as stack:
        yield stack
