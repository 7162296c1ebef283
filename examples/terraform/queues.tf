resource "aws_sqs_queue" "events" {
  name              = "${var.name}-events"
  kms_master_key_id = var.kms_key_arn
  # 6 x the function's 30 s (Lambda Developer Guide): room for its retries when it is throttled;
  # and the longest batch window, 20 s. By then the lease of a killed invocation (34 s) is over.
  visibility_timeout_seconds = 200
  # 3 days. 1 (EventBridge) + 10 (dead letters) + 3 = 14 days, the retention of a record: a
  # message that comes late, or back from the dead letters once, still meets its record.
  message_retention_seconds = 259200

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    # 5 (Lambda Developer Guide): fewer, and a throttled function or a key that is in progress
    # elsewhere would make a dead letter of a message that nothing is wrong with.
    maxReceiveCount = 5
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name              = "${var.name}-dead-letters"
  kms_master_key_id = var.kms_key_arn
  # 10 days, counted from when the message entered events (standard queues keep that time).
  message_retention_seconds = 864000
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events.arn]
  })
}

resource "aws_sqs_queue" "undelivered" {
  name              = "${var.name}-undelivered"
  kms_master_key_id = var.kms_key_arn
  # 10 days, as dead_letters: what is sent on from here has 3 days left in events.
  message_retention_seconds = 864000
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.url
  policy    = data.aws_iam_policy_document.events.json
}

data "aws_iam_policy_document" "events" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.events.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.url
  policy    = data.aws_iam_policy_document.undelivered.json
}

data "aws_iam_policy_document" "undelivered" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.events.arn]
    }
  }
}
