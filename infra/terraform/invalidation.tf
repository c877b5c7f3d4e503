# What tells CloudFront of originals that have changed: the bucket's events, a queue that makes one batch of many, and a function.
# It is the transformer's program, with another role. By paths, since the provider has no argument for cache tags.

locals {
  invalidate   = var.invalidation == null ? (local.own_bucket ? "replaced" : "off") : var.invalidation
  invalidating = var.distribution && local.invalidate != "off" ? 1 : 0
  invalidation = "${var.name}-invalidation"
}

# Of a bucket that exists, its owner turns the events on.
resource "aws_s3_bucket_notification" "originals" {
  count       = local.own_bucket ? local.invalidating : 0
  bucket      = aws_s3_bucket.originals[0].id
  eventbridge = true
}

resource "aws_cloudwatch_event_rule" "changes" {
  count       = local.invalidating
  name        = local.invalidation
  description = "image-origin: originals that have changed"
  tags        = local.tags

  event_pattern = jsonencode({
    source        = ["aws.s3"]
    "detail-type" = ["Object Created", "Object Deleted"]
    detail = merge(
      { bucket = { name = [local.bucket] } },
      var.bucket.prefix == "" ? {} : { object = { key = [{ prefix = "${trimprefix(var.bucket.prefix, "/")}/" }] } },
    )
  })
}

resource "aws_cloudwatch_event_target" "changes" {
  count = local.invalidating
  rule  = aws_cloudwatch_event_rule.changes[0].name
  arn   = aws_sqs_queue.changes[0].arn
}

resource "aws_sqs_queue" "failed" {
  count                     = local.invalidating
  name                      = "${local.invalidation}-failed"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 14 * 24 * 60 * 60
  tags                      = local.tags
}

resource "aws_sqs_queue" "changes" {
  count                   = local.invalidating
  name                    = local.invalidation
  sqs_managed_sse_enabled = true
  # Lambda wants six times the function's time, so that a batch is not given to two copies.
  visibility_timeout_seconds = 360
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.failed[0].arn, maxReceiveCount = 5 })
  tags                       = local.tags
}

resource "aws_sqs_queue_policy" "changes" {
  count     = local.invalidating
  queue_url = aws_sqs_queue.changes[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.changes[0].arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.changes[0].arn } }
      },
      {
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.changes[0].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_cloudwatch_log_group" "invalidation" {
  count             = local.invalidating
  name              = "/aws/lambda/${local.invalidation}"
  retention_in_days = var.function.log_days
  tags              = local.tags
}

resource "aws_iam_role" "invalidation" {
  count = local.invalidating
  name  = local.invalidation
  tags  = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "invalidation" {
  count = local.invalidating
  name  = "invalidate"
  role  = aws_iam_role.invalidation[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Effect   = "Allow"
          Action   = "cloudfront:CreateInvalidation"
          Resource = aws_cloudfront_distribution.images[0].arn
        },
        {
          Effect   = "Allow"
          Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
          Resource = aws_sqs_queue.changes[0].arn
        },
        {
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.invalidation[0].arn}:*"
        },
      ],
      local.invalidate == "replaced" ? [{
        Effect   = "Allow"
        Action   = "s3:ListBucketVersions"
        Resource = local.bucket_arn
      }] : [],
    )
  })
}

resource "aws_lambda_function" "invalidation" {
  count            = local.invalidating
  function_name    = local.invalidation
  description      = "image-origin: tells CloudFront of changed originals"
  filename         = var.function.package
  source_code_hash = filebase64sha256(var.function.package)
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.function.architecture]
  memory_size      = 256
  timeout          = 60
  role             = aws_iam_role.invalidation[0].arn
  tags             = local.tags

  environment {
    variables = {
      "${local.variable}SOURCE"               = "s3://${local.bucket}${var.bucket.prefix}"
      "${local.variable}METRICS"              = "none"
      "${local.variable}LAMBDA_DISTRIBUTION"  = aws_cloudfront_distribution.images[0].id
      "${local.variable}LAMBDA_INVALIDATE"    = local.invalidate
      "${local.variable}LAMBDA_INVALIDATE_BY" = "paths"
    }
  }

  depends_on = [aws_cloudwatch_log_group.invalidation, aws_iam_role_policy.invalidation]
}

resource "aws_lambda_event_source_mapping" "invalidation" {
  count                              = local.invalidating
  event_source_arn                   = aws_sqs_queue.changes[0].arn
  function_name                      = aws_lambda_function.invalidation[0].arn
  batch_size                         = 3000
  maximum_batching_window_in_seconds = 2
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = 2
  }
}

resource "aws_cloudwatch_metric_alarm" "stale" {
  count               = local.invalidating
  alarm_name          = "${var.name}-StaleAnswers"
  alarm_description   = "CloudFront was not told that originals have changed: messages failed, or have waited for a quarter of an hour. See docs/operations.md."
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.topics
  tags                = local.tags

  metric_query {
    id          = "problem"
    expression  = "FILL(failed, 0) + IF(FILL(age, 0) > 900, 1, 0)"
    label       = "messages that failed or are late"
    return_data = true
  }

  metric_query {
    id = "failed"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = aws_sqs_queue.failed[0].name }
      stat        = "Maximum"
      period      = 300
    }
  }

  metric_query {
    id = "age"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = aws_sqs_queue.changes[0].name }
      stat        = "Maximum"
      period      = 300
    }
  }
}
