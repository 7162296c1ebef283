"""The problem and the cure, raced over real HTTP on a local AWS stand-in: `make demo`."""
