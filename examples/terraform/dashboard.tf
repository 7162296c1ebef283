data "aws_region" "current" {}

resource "aws_cloudwatch_dashboard" "consumer" {
  dashboard_name = var.name

  # The prices in it are yours to correct.
  dashboard_body = templatefile("${path.module}/dashboard.json.tftpl", {
    region       = data.aws_region.current.id
    namespace    = var.namespace
    function     = aws_lambda_function.consumer.function_name
    table        = aws_dynamodb_table.records.name
    events       = aws_sqs_queue.events.name
    dead_letters = aws_sqs_queue.dead_letters.name
    undelivered  = aws_sqs_queue.undelivered.name
    logs         = aws_cloudwatch_log_group.consumer.name
  })
}
