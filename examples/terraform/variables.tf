variable "name" {
  type        = string
  default     = "cxone-consumer"
  description = "what the table, the queues and the function are named after"
}

variable "package" {
  type        = string
  default     = "consumer.zip"
  description = "the function's code, zipped"
}

variable "layer" {
  type        = string
  default     = "../../dist/cxone_idem-layer.zip"
  description = "the library, as make layer writes it"
}

variable "event_bus_name" {
  type        = string
  default     = "default"
  description = "the event bus on which the CXone events arrive"
}

variable "namespace" {
  type        = string
  default     = "cxone-consumer"
  description = "whose keys these are; with another name every key is new"
}

variable "architecture" {
  type        = string
  default     = "arm64"
  description = "the processor of the function; arm64 costs less"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "One of arm64, x86_64."
  }
}

variable "batch_size" {
  type        = number
  default     = 10
  description = "messages in an invocation at most; more than 10 need a batch window"

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 1000
    error_message = "A number from 1 to 1000."
  }
}

variable "batch_window_seconds" {
  type        = number
  default     = 0
  description = "how long the mapping waits for a batch to fill"

  validation {
    condition     = var.batch_window_seconds >= 0 && var.batch_window_seconds <= 20
    error_message = "A number from 0 to 20."
  }
}

variable "maximum_concurrency" {
  type        = number
  default     = 0
  description = "invocations at a time that the mapping asks for, from 2; 0 is no limit"

  validation {
    condition     = var.maximum_concurrency >= 0 && var.maximum_concurrency <= 1000
    error_message = "A number from 0 to 1000."
  }
}

variable "reserved_concurrency" {
  type        = number
  default     = -1
  description = "concurrency kept for the function, at least maximum_concurrency; -1 is none"

  validation {
    condition     = var.reserved_concurrency >= -1 && var.reserved_concurrency <= 1000
    error_message = "A number from -1 to 1000."
  }
}

variable "tracing" {
  type        = string
  default     = "PassThrough"
  description = "Active sends traces to X-Ray"

  validation {
    condition     = contains(["PassThrough", "Active"], var.tracing)
    error_message = "One of PassThrough, Active."
  }
}

variable "log_retention_days" {
  type        = number
  default     = 14
  description = "how long logs stay; from 14, whatever a record says can be looked up"

  validation {
    condition = contains([
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,
      2557, 2922, 3288, 3653,
    ], var.log_retention_days)
    error_message = "A number of days that CloudWatch Logs knows."
  }
}

variable "kms_key_arn" {
  type        = string
  default     = null
  description = "a key of yours for table, queues, logs and variables; by default AWS owns the keys"
}

variable "alarm_topic_arn" {
  type        = string
  default     = null
  description = "the SNS topic that alarms go to; by default they only show in the console"
}

variable "usual_emitted_again" {
  type        = number
  default     = 10
  description = "duplicates an hour that CXone usually emits; more is an alarm"
}
