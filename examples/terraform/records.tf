resource "aws_dynamodb_table" "records" {
  name = "${var.name}-records"
  # On demand: two writes an event, one a duplicate; nothing to plan for a burst.
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = true
  hash_key                    = "id"

  attribute {
    name = "id"
    type = "S"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }

  # Without its records every event still in a queue would be new again.
  lifecycle {
    prevent_destroy = true
  }
}
