"""Reading an event: its key, its fingerprint, and the function that does its work. Pure."""
