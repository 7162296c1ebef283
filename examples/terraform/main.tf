# EventBridge -> SQS -> Lambda -> DynamoDB: each NICE CXone event is processed once.
#
#   make layer                            # writes dist/cxone_idem-layer.zip, at the top of the clone
#   zip -qj consumer.zip ../sqs_lambda/handler.py
#   terraform init && terraform apply
#
# It says the same as ../sam. Copy one of them and make it yours.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40, < 7"
    }
  }
}

output "records_table" {
  value = aws_dynamodb_table.records.name
}

output "events_queue" {
  value = aws_sqs_queue.events.url
}

output "dead_letters_queue" {
  value = aws_sqs_queue.dead_letters.url
}

output "undelivered_queue" {
  value = aws_sqs_queue.undelivered.url
}

output "dashboard" {
  value = aws_cloudwatch_dashboard.consumer.dashboard_name
}
