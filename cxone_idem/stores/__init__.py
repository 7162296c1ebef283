"""Stores: where records are kept. Only `dynamodb*` and `aws_client` import the AWS SDK."""
