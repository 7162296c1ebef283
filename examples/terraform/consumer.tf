resource "aws_lambda_function" "consumer" {
  function_name    = var.name
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  handler          = "handler.handler"
  runtime          = "python3.13"
  # 30 s for a batch of 10: what is not started in time comes back, undone and unharmed.
  timeout = 30
  # Memory buys CPU in proportion, and so a shorter cold start.
  memory_size = 512
  role        = aws_iam_role.consumer.arn

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.consumer.name
  }

  environment {
    variables = {
      CXONE_IDEM_TABLE = aws_dynamodb_table.records.name
      # Named here, or it would be the function's name: renaming that would forget every key.
      CXONE_IDEM_NAMESPACE = "cxone-consumer"
    }
  }
}

resource "aws_lambda_event_source_mapping" "consumer" {
  event_source_arn = aws_sqs_queue.events.arn
  function_name    = aws_lambda_function.consumer.arn
  batch_size       = 10
  # Without it one failed message brings the whole batch back.
  function_response_types = ["ReportBatchItemFailures"]

  # AWS refuses the mapping of a role that may not receive yet.
  depends_on = [aws_iam_role_policy.consumer]
}

resource "aws_cloudwatch_log_group" "consumer" {
  name = "/aws/lambda/${var.name}"
  # 14 days, as the records: whatever a record says can be looked up.
  retention_in_days = 14
}

resource "aws_iam_role" "consumer" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.assumed.json
}

data "aws_iam_policy_document" "assumed" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "consumer" {
  name   = "consumer"
  role   = aws_iam_role.consumer.id
  policy = data.aws_iam_policy_document.consumer.json
}

data "aws_iam_policy_document" "consumer" {
  # PutItem alone is enough; the other two claim and complete a batch in one request.
  statement {
    actions   = ["dynamodb:PutItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"]
    resources = [aws_dynamodb_table.records.arn]
  }

  statement {
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.events.arn]
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.consumer.arn}:*"]
  }
}
