"""Checks of a deployed pipeline: facts read with the SDK, checks without it."""
