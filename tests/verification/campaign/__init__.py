"""The fault campaign: many workers, a broken network, kills and wrong clocks; a ledger decides.

Run it with `make campaign`, or with `python -m tests.verification.campaign --help`.
"""
