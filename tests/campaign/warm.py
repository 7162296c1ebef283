"""Imported once by the process that workers are forked from: loads what is slow to load."""

from __future__ import annotations

from cxone_idem.dynamodb import create_client
from tests.campaign import naive, powertools, protected
from tests.engines import use_stand_in_credentials

__all__ = ["naive", "powertools", "protected"]

# Clients made later share what the first one had to read.
use_stand_in_credentials()
create_client()
powertools.load()
