data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region

  bucket      = var.bucket.name == null ? "${var.name}-${local.account}-${local.region}" : var.bucket.name
  bucket_arn  = "arn:${local.partition}:s3:::${local.bucket}"
  objects_arn = "${local.bucket_arn}${var.bucket.prefix}/*"
  own_bucket  = var.bucket.name == null

  function     = "${var.name}-transformer"
  function_arn = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${local.function}"
  # https://abc.lambda-url.eu-west-1.on.aws/
  function_domain = split("/", aws_lambda_function_url.transformer.function_url)[2]

  files    = var.distribution && var.signing == "oac" ? var.files : []
  tags     = merge(var.tags, { deployment = var.name })
  topics   = var.alarms.topic_arn == null ? [] : [var.alarms.topic_arn]
  variable = "IMAGE_ORIGIN_"
}

# What may read the originals, for the function and for the edge where that signs.
locals {
  # What the transformer reads: the bucket, or those that its configuration file names.
  source_statements = var.function.sources == null ? local.read_statements : [for name in var.function.sources : {
    Effect = "Allow", Action = ["s3:GetObject"], Resource = ["arn:${data.aws_partition.current.partition}:s3:::${name}/*"]
  }]

  read_statements = concat(
    [{ Effect = "Allow", Action = ["s3:GetObject"], Resource = [local.objects_arn] }],
    var.bucket.kms_key_arn == null ? [] : [{
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = [var.bucket.kms_key_arn]
      Condition = { StringEquals = { "kms:ViaService" = "s3.${local.region}.${data.aws_partition.current.dns_suffix}" } }
    }],
  )
}
