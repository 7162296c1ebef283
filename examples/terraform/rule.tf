resource "aws_cloudwatch_event_rule" "events" {
  name           = "${var.name}-events"
  description    = "the CXone events that the consumer wants, and no others"
  event_bus_name = var.event_bus_name

  event_pattern = jsonencode({
    # Without this filter every event of the bus is a message, a claim and a write.
    detail-type = ["conversation.start"]
  })
}

resource "aws_cloudwatch_event_target" "events" {
  rule           = aws_cloudwatch_event_rule.events.name
  event_bus_name = var.event_bus_name
  target_id      = "events"
  arn            = aws_sqs_queue.events.arn

  # EventBridge tries for 24 h, 185 times at most (its own limits), then keeps the event here.
  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}
