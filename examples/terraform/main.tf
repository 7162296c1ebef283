# EventBridge -> SQS -> Lambda -> DynamoDB: each NICE CXone event is processed once.
#
#   pip install --target build cxone-idem && cp ../sqs_lambda/handler.py build
#   (cd build && zip -qr ../consumer.zip .)
#   terraform init && terraform apply
#
# It says the same as ../sam. Copy one of them and make it yours.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40"
    }
  }
}

variable "name" {
  type        = string
  default     = "cxone-consumer"
  description = "what the table, the queues and the function are named after"
}

variable "event_bus_name" {
  type        = string
  default     = "default"
  description = "the event bus on which the CXone events arrive"
}

variable "package" {
  type        = string
  default     = "consumer.zip"
  description = "the function's code, zipped with what it imports"
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
