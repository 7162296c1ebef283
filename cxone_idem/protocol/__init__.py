"""The claim protocol: pure decisions. No I/O, no clock of its own, no AWS."""
