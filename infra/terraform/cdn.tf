# The distribution: where requests go, what is one entry in its cache, and which headers leave it.

locals {
  cdn = var.distribution ? 1 : 0
  # Errors that CloudFront would keep for ten seconds. The origin says in Cache-Control how long each may be kept.
  errors = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]
  month  = 30 * 24 * 60 * 60
}

# One entry for what means the same: viewer-request leaves only the grammar's names in a query, in one order.
resource "aws_cloudfront_cache_policy" "images" {
  count   = local.cdn
  name    = "${var.name}-${local.region}"
  comment = "Path, query and negotiable types are one picture"
  # A longer one would keep what says no-store, too.
  min_ttl     = 0
  default_ttl = local.month
  max_ttl     = 365 * 24 * 60 * 60

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_gzip   = false
    enable_accept_encoding_brotli = false

    query_strings_config {
      query_string_behavior = "all"
    }

    headers_config {
      header_behavior = "whitelist"

      headers {
        items = ["Accept"]
      }
    }

    cookies_config {
      cookie_behavior = "none"
    }
  }
}

resource "aws_cloudfront_origin_request_policy" "images" {
  count   = local.cdn
  name    = "${var.name}-${local.region}"
  comment = "Beside what is in the key of the cache, only the trace goes on"

  headers_config {
    header_behavior = "whitelist"

    headers {
      items = ["traceparent", "tracestate"]
    }
  }

  cookies_config {
    cookie_behavior = "none"
  }

  query_strings_config {
    query_string_behavior = "none"
  }
}

resource "aws_cloudfront_response_headers_policy" "images" {
  count = local.cdn
  name  = "${var.name}-${local.region}"

  cors_config {
    access_control_allow_credentials = false
    access_control_max_age_sec       = 86400
    origin_override                  = true

    access_control_allow_headers {
      items = ["Range", "If-None-Match", "If-Modified-Since"]
    }

    access_control_allow_methods {
      items = ["GET", "HEAD"]
    }

    access_control_allow_origins {
      items = var.cors
    }

    access_control_expose_headers {
      items = ["ETag", "Content-Length", "Content-Range", "Image-Quality"]
    }
  }

  security_headers_config {
    # What origin-response does elsewhere: an upload must not become a page that runs scripts on this host.
    dynamic "content_security_policy" {
      for_each = var.edge_functions == null ? [] : ["default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"]

      content {
        content_security_policy = content_security_policy.value
        override                = true
      }
    }

    content_type_options {
      override = true
    }

    referrer_policy {
      referrer_policy = "no-referrer"
      override        = true
    }

    strict_transport_security {
      access_control_max_age_sec = 31536000
      include_subdomains         = false
      override                   = true
    }
  }

  custom_headers_config {
    items {
      header   = "Cross-Origin-Resource-Policy"
      value    = "cross-origin"
      override = true
    }
  }

  # They are for CDNs.
  remove_headers_config {
    items {
      header = "Cache-Tag"
    }
  }
}

resource "aws_cloudfront_origin_access_control" "function" {
  count                             = var.distribution && var.signing == "oac" ? 1 : 0
  name                              = "${var.name}-function-${local.region}"
  origin_access_control_origin_type = "lambda"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_origin_access_control" "bucket" {
  count                             = length(local.files) > 0 ? 1 : 0
  name                              = "${var.name}-bucket-${local.region}"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_distribution" "images" {
  count           = local.cdn
  comment         = var.name
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = var.price_class
  aliases         = var.domain == null ? [] : var.domain.names
  web_acl_id      = var.web_acl_arn
  tags            = local.tags

  origin {
    origin_id                = "function"
    domain_name              = local.function_domain
    origin_access_control_id = one(aws_cloudfront_origin_access_control.function[*].id)

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
      origin_read_timeout    = var.function.timeout
    }

    dynamic "origin_shield" {
      for_each = var.origin_shield_region == null ? [] : [var.origin_shield_region]

      content {
        enabled              = true
        origin_shield_region = origin_shield.value
      }
    }
  }

  dynamic "origin" {
    for_each = aws_cloudfront_origin_access_control.bucket

    content {
      origin_id                = "bucket"
      domain_name              = "${local.bucket}.s3.${local.region}.${data.aws_partition.current.dns_suffix}"
      origin_path              = var.bucket.prefix
      origin_access_control_id = origin.value.id
    }
  }

  default_cache_behavior {
    target_origin_id           = "function"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    viewer_protocol_policy     = "redirect-to-https"
    compress                   = false
    cache_policy_id            = aws_cloudfront_cache_policy.images[0].id
    origin_request_policy_id   = aws_cloudfront_origin_request_policy.images[0].id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.images[0].id
    trusted_key_groups         = var.trusted_key_groups

    dynamic "lambda_function_association" {
      for_each = aws_lambda_function.edge

      content {
        event_type = lambda_function_association.key
        lambda_arn = lambda_function_association.value.qualified_arn
      }
    }

    dynamic "function_association" {
      for_each = aws_cloudfront_function.edge

      content {
        event_type   = function_association.key
        function_arn = function_association.value.arn
      }
    }
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.files

    content {
      path_pattern               = "*.${ordered_cache_behavior.value}"
      target_origin_id           = "bucket"
      allowed_methods            = ["GET", "HEAD"]
      cached_methods             = ["GET", "HEAD"]
      viewer_protocol_policy     = "redirect-to-https"
      compress                   = false
      cache_policy_id            = aws_cloudfront_cache_policy.images[0].id
      origin_request_policy_id   = aws_cloudfront_origin_request_policy.images[0].id
      response_headers_policy_id = aws_cloudfront_response_headers_policy.images[0].id
      trusted_key_groups         = var.trusted_key_groups

      dynamic "lambda_function_association" {
        for_each = aws_lambda_function.edge

        content {
          event_type = lambda_function_association.key
          lambda_arn = lambda_function_association.value.qualified_arn
        }
      }

      dynamic "function_association" {
        for_each = aws_cloudfront_function.edge

        content {
          event_type   = function_association.key
          function_arn = function_association.value.arn
        }
      }
    }
  }

  dynamic "custom_error_response" {
    for_each = local.errors

    content {
      error_code            = custom_error_response.value
      error_caching_min_ttl = 0
    }
  }

  dynamic "logging_config" {
    for_each = var.access_log_bucket == null ? [] : [var.access_log_bucket]

    content {
      bucket          = logging_config.value
      include_cookies = false
      prefix          = var.name
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.domain == null
    acm_certificate_arn            = try(var.domain.certificate_arn, null)
    minimum_protocol_version       = var.domain == null ? null : "TLSv1.2_2021"
    ssl_support_method             = var.domain == null ? null : "sni-only"
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }
}

# Cache hit rate is one of the additional metrics.
resource "aws_cloudfront_monitoring_subscription" "images" {
  count           = local.cdn
  distribution_id = aws_cloudfront_distribution.images[0].id

  monitoring_subscription {
    realtime_metrics_subscription_config {
      realtime_metrics_subscription_status = "Enabled"
    }
  }
}

resource "aws_route53_record" "images" {
  for_each = {
    for pair in setproduct(try(var.domain.names, []), ["A", "AAAA"]) : join(" ", pair) => { name = pair[0], type = pair[1] }
    if var.distribution
  }

  zone_id = var.domain.zone_id
  name    = each.value.name
  type    = each.value.type

  alias {
    name                   = aws_cloudfront_distribution.images[0].domain_name
    zone_id                = aws_cloudfront_distribution.images[0].hosted_zone_id
    evaluate_target_health = false
  }
}

# CloudFront has its metrics in us-east-1.
resource "aws_cloudwatch_metric_alarm" "viewers" {
  count               = local.cdn
  region              = "us-east-1"
  alarm_name          = "${var.name}-Viewers5xx"
  alarm_description   = "More than ${var.alarms.errors_percent} % of what viewers get is 5xx. See docs/operations.md."
  namespace           = "AWS/CloudFront"
  metric_name         = "5xxErrorRate"
  dimensions          = { DistributionId = aws_cloudfront_distribution.images[0].id, Region = "Global" }
  statistic           = "Average"
  period              = 300
  evaluation_periods  = 2
  threshold           = var.alarms.errors_percent
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarms.distribution_topic_arn == null ? [] : [var.alarms.distribution_topic_arn]
  tags                = local.tags
}
