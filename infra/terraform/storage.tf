# The bucket with the originals: private, encrypted, reached over TLS only, and never destroyed with what it holds.

resource "aws_s3_bucket" "originals" {
  count  = local.own_bucket ? 1 : 0
  bucket = local.bucket
  tags   = local.tags
}

resource "aws_s3_bucket_public_access_block" "originals" {
  count                   = local.own_bucket ? 1 : 0
  bucket                  = aws_s3_bucket.originals[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "originals" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.originals[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "originals" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.originals[0].id

  rule {
    bucket_key_enabled = var.bucket.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.bucket.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.bucket.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_versioning" "originals" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.originals[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "originals" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.originals[0].id

  rule {
    id     = "replaced"
    status = "Enabled"

    filter {
      prefix = ""
    }

    noncurrent_version_expiration {
      noncurrent_days = var.bucket.noncurrent_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.originals]
}

resource "aws_s3_bucket_cors_configuration" "originals" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.originals[0].id

  cors_rule {
    allowed_methods = ["GET", "HEAD"]
    allowed_origins = var.cors
    allowed_headers = ["*"]
    expose_headers  = ["ETag", "Content-Length", "Content-Range"]
    max_age_seconds = 86400
  }
}

locals {
  # With OAC, CloudFront reads files itself: this distribution, and none else.
  cloudfront_may_read = length(local.files) == 0 ? [] : [{
    Sid       = "CloudFront"
    Effect    = "Allow"
    Principal = { Service = "cloudfront.amazonaws.com" }
    Action    = "s3:GetObject"
    Resource  = local.objects_arn
    Condition = { StringEquals = { "aws:SourceArn" = aws_cloudfront_distribution.images[0].arn } }
  }]
}

resource "aws_s3_bucket_policy" "originals" {
  count  = local.own_bucket ? 1 : 0
  bucket = aws_s3_bucket.originals[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "Tls12"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ], local.cloudfront_may_read)
  })

  depends_on = [aws_s3_bucket_public_access_block.originals]
}
