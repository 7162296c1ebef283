resource "aws_lambda_function" "consumer" {
  function_name    = var.name
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  handler          = "handler.handler"
  runtime          = "python3.13"
  architectures    = [var.architecture]
  layers           = [aws_lambda_layer_version.library.arn]
  # 30 s for a batch of 10: what is not started in time comes back, undone and unharmed.
  timeout = 30
  # Memory buys CPU in proportion, and so a shorter cold start.
  memory_size                    = 512
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.kms_key_arn
  role                           = aws_iam_role.consumer.arn

  tracing_config {
    mode = var.tracing
  }

  logging_config {
    log_format = "JSON"
    # Duplicates are logged at this level.
    application_log_level = "INFO"
    log_group             = aws_cloudwatch_log_group.consumer.name
  }

  environment {
    variables = {
      CXONE_IDEM_TABLE = aws_dynamodb_table.records.name
      # Named here, or it would be the function's name: renaming that would forget every key.
      CXONE_IDEM_NAMESPACE = var.namespace
      # The alarms and the dashboard are made of these metrics.
      CXONE_IDEM_METRICS = "cxone_idem"
    }
  }
}

resource "aws_lambda_event_source_mapping" "consumer" {
  event_source_arn = aws_sqs_queue.events.arn
  function_name    = aws_lambda_function.consumer.arn
  batch_size       = var.batch_size

  maximum_batching_window_in_seconds = var.batch_window_seconds
  # Without it one failed message brings the whole batch back.
  function_response_types = ["ReportBatchItemFailures"]

  dynamic "scaling_config" {
    for_each = var.maximum_concurrency == 0 ? [] : [var.maximum_concurrency]

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  # AWS refuses the mapping of a role that may not receive yet.
  depends_on = [aws_iam_role_policy.consumer]
}

resource "aws_cloudwatch_log_group" "consumer" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_layer_version" "library" {
  layer_name = "${var.name}-cxone-idem"
  # The library alone: Lambda's runtime brings the SDK.
  filename            = var.layer
  source_code_hash    = filebase64sha256(var.layer)
  compatible_runtimes = ["python3.13"]
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

resource "aws_iam_role_policy" "key" {
  count  = var.kms_key_arn == null ? 0 : 1
  name   = "key"
  role   = aws_iam_role.consumer.id
  policy = data.aws_iam_policy_document.key[0].json
}

resource "aws_iam_role_policy" "tracing" {
  count  = var.tracing == "Active" ? 1 : 0
  name   = "tracing"
  role   = aws_iam_role.consumer.id
  policy = data.aws_iam_policy_document.tracing.json
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

data "aws_iam_policy_document" "key" {
  count = var.kms_key_arn == null ? 0 : 1

  # What the AWS CDK grants who writes to an encrypted table; a queue needs Decrypt.
  statement {
    actions = [
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey*",
      "kms:ReEncrypt*",
    ]
    resources = [var.kms_key_arn]
  }
}

data "aws_iam_policy_document" "tracing" {
  statement {
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}
