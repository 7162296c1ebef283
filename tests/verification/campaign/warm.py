"""Imported once by the process that workers are forked from: loads what is slow to load."""

from __future__ import annotations

import os

from cxone_idem.stores.dynamodb import create_client
from examples.local_stack import CREDENTIALS
from tests.verification.campaign import naive, powertools, protected

__all__ = ["naive", "powertools", "protected"]

# Clients made later share what the first one had to read.
os.environ.update(CREDENTIALS)
create_client()
