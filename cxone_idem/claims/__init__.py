"""Claiming: what this process holds, and the loop that writes it to a store."""
