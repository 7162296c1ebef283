"""The SQS batch adapter, what it reports, and the consumer outside of Lambda."""
