# The transformer: a function with a URL that streams and takes signed requests only, its role, its log and its alarms.

resource "aws_cloudwatch_log_group" "transformer" {
  name              = "/aws/lambda/${local.function}"
  retention_in_days = var.function.log_days
  tags              = local.tags
}

resource "aws_iam_role" "transformer" {
  name = local.function
  tags = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "transformer" {
  name = "transform"
  role = aws_iam_role.transformer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.source_statements, [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.transformer.arn}:*"]
    }])
  })
}

resource "aws_lambda_function" "transformer" {
  function_name                  = local.function
  description                    = "image-origin: transforms images by their query string"
  filename                       = var.function.package
  source_code_hash               = filebase64sha256(var.function.package)
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.function.architecture]
  memory_size                    = var.function.memory
  timeout                        = var.function.timeout
  reserved_concurrent_executions = var.function.concurrency
  role                           = aws_iam_role.transformer.arn
  tags                           = local.tags

  ephemeral_storage {
    size = 512
  }

  environment {
    # What memory is for follows from how much there is: a function works on one picture at a time.
    variables = merge(
      {
        "${local.variable}REQUEST_MEMORY"  = "${floor(var.function.memory / 2)}M"
        "${local.variable}DOWNLOAD_MEMORY" = "${floor(var.function.memory / 4)}M"
        "${local.variable}CACHE"           = "${floor(var.function.memory / 16)}M"
      },
      { for name, value in var.function.settings : "${local.variable}${upper(name)}" => value },
      var.function.sources == null ? { "${local.variable}SOURCE" = "s3://${local.bucket}${var.bucket.prefix}" } : {},
    )
  }

  depends_on = [aws_cloudwatch_log_group.transformer, aws_iam_role_policy.transformer]
}

resource "aws_lambda_function_url" "transformer" {
  function_name      = aws_lambda_function.transformer.function_name
  authorization_type = "AWS_IAM"
  invoke_mode        = "RESPONSE_STREAM"
}

# Since October 2025 Lambda wants both. They are for this distribution, and none else.
resource "aws_lambda_permission" "cloudfront" {
  for_each = var.distribution && var.signing == "oac" ? toset(["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]) : toset([])

  statement_id           = replace(each.value, ":", "-")
  action                 = each.value
  function_name          = aws_lambda_function.transformer.function_name
  function_url_auth_type = each.value == "lambda:InvokeFunctionUrl" ? "AWS_IAM" : null
  principal              = "cloudfront.amazonaws.com"
  source_arn             = aws_cloudfront_distribution.images[0].arn
}

locals {
  # As docs/operations.md speaks of them.
  alarms = {
    Crashes = {
      says   = "The transformer ended without an answer: out of memory, out of time, or a bug."
      metric = "Errors", statistic = "Sum", extended = null, above = 5, periods = 1
    }
    Throttles = {
      says   = "Lambda turned requests away, because no more copies of the transformer may run."
      metric = "Throttles", statistic = "Sum", extended = null, above = 0, periods = 2
    }
    Slow = {
      says   = "The slowest hundredth takes more than ${var.alarms.duration_percent} % of the time limit."
      metric = "Duration", statistic = null, extended = "p99", above = var.function.timeout * 10 * var.alarms.duration_percent, periods = 3
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "transformer" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.says} See docs/operations.md."
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric
  dimensions          = { FunctionName = local.function }
  statistic           = each.value.statistic
  extended_statistic  = each.value.extended
  period              = 300
  evaluation_periods  = each.value.periods
  threshold           = each.value.above
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.topics
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-Errors5xx"
  alarm_description   = "More than ${var.alarms.errors_percent} % of the transformer's answers are 5xx. See docs/operations.md."
  evaluation_periods  = 2
  threshold           = var.alarms.errors_percent
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.topics
  tags                = local.tags

  metric_query {
    id          = "percent"
    expression  = "IF(all >= 20, 100 * bad / all, 0)"
    label       = "5xx of all answers, %"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { bad = "Url5xxCount", all = "UrlRequestCount" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/Lambda"
        metric_name = metric_query.value
        dimensions  = { FunctionName = local.function }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}
