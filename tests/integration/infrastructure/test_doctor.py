"""The doctor on the template's stack: what people paste is what it calls healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command import run

if TYPE_CHECKING:
    from tests.integration.infrastructure.deployment import Deployment

pytestmark = pytest.mark.engine


def test_the_doctor_finds_nothing_wrong(deployment: Deployment) -> None:
    """Neither with the template nor with the doctor's idea of one."""
    # Another test may have shortened it.
    deployment.set_visibility(200)
    said = run(
        ["doctor", "--queue", deployment.outputs["EventsQueue"], "--json"],
        AWS_ENDPOINT_URL=deployment.endpoint,
    )
    assert [finding for finding in said.data if finding["status"] != "ok"] == []
    assert len(said.data) > 20
