locals {
  alarm_actions = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]

  # Of AWS's metrics, over five minutes.
  pipeline_alarms = {
    dead_letters = {
      description = "messages failed five times"
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      statistic   = "Maximum"
      dimensions  = { QueueName = aws_sqs_queue.dead_letters.name }
      threshold   = 0
    }
    undelivered = {
      description = "EventBridge could not put events into the queue"
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      statistic   = "Maximum"
      dimensions  = { QueueName = aws_sqs_queue.undelivered.name }
      threshold   = 0
    }
    # 5 receives of 200 s: what always fails is a dead letter by then, and no longer in the way.
    oldest_message = {
      description = "the consumer is behind"
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      statistic   = "Maximum"
      dimensions  = { QueueName = aws_sqs_queue.events.name }
      threshold   = 1200
    }
    errors = {
      description = "an invocation raised, timed out or was killed"
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      statistic   = "Sum"
      dimensions  = { FunctionName = aws_lambda_function.consumer.function_name }
      threshold   = 0
    }
    throttles = {
      description = "the function has less concurrency than its mapping asks for"
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      statistic   = "Sum"
      dimensions  = { FunctionName = aws_lambda_function.consumer.function_name }
      threshold   = 0
    }
    table_throttles = {
      description = "DynamoDB refuses writes that come too fast"
      namespace   = "AWS/DynamoDB"
      metric      = "WriteThrottleEvents"
      statistic   = "Sum"
      dimensions  = { TableName = aws_dynamodb_table.records.name }
      threshold   = 0
    }
  }

  # Of the library's own metrics, each named as its alarm.
  library_alarms = {
    lost_claims = {
      description = "work outlasted its lease, so an effect may have happened twice"
      period      = 300
      threshold   = 0
    }
    unrecorded_completions = {
      description = "DynamoDB could not be reached for what was done"
      period      = 300
      threshold   = 0
    }
    fingerprint_mismatches = {
      description = "the key is too coarse, and events wait among the dead letters"
      period      = 300
      threshold   = 0
    }
    key_missing = {
      description = "events without a key come from the producer or from CXONE_IDEM_KEY"
      period      = 300
      threshold   = 0
    }
    attempts_exhausted = {
      description = "work failed or died CXONE_IDEM_MAX_ATTEMPTS times"
      period      = 300
      threshold   = 0
    }
    second_handler = {
      description = "two functions were given the same events, and the second never runs"
      period      = 300
      threshold   = 0
    }
    store_failed = {
      description = "no claims, as permissions are missing or DynamoDB is out of reach"
      period      = 300
      threshold   = 0
    }
    unprotected = {
      description = "the kill switch is set"
      period      = 300
      threshold   = 0
    }
    taken_over = {
      description = "workers die in the middle of work, or take too long"
      period      = 3600
      threshold   = 10
    }
    duplicates_cxone_emitted_again = {
      description = "the CXone side has changed"
      period      = 3600
      threshold   = var.usual_emitted_again
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "pipeline" {
  for_each = local.pipeline_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "library" {
  for_each = local.library_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "cxone_idem"
  metric_name         = each.key
  dimensions          = { namespace = var.namespace }
  statistic           = "Sum"
  period              = each.value.period
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "in_progress" {
  alarm_name          = "${var.name}-in_progress"
  alarm_description   = "the visibility timeout of the queue is shorter than the work"
  evaluation_periods  = 1
  threshold           = 10
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions

  metric_query {
    id          = "percentage"
    expression  = "100 * in_progress / messages"
    return_data = true
  }

  metric_query {
    id = "in_progress"

    metric {
      namespace   = "cxone_idem"
      metric_name = "in_progress"
      dimensions  = { namespace = var.namespace }
      period      = 3600
      stat        = "Sum"
    }
  }

  metric_query {
    id = "messages"

    metric {
      namespace   = "cxone_idem"
      metric_name = "messages"
      dimensions  = { namespace = var.namespace }
      period      = 3600
      stat        = "Sum"
    }
  }
}
