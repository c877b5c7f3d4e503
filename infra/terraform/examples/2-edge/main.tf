# Step 2: functions at the edge bring what means the same into one form, so that it is one entry in the cache, and decide who
# may see what by edge.toml; alarms tell somebody; one more cache is in front of the function.
#
#   infra/lambda/package.sh arm64
#   infra/edge/package.sh infra/terraform/examples/2-edge/edge.toml examples/keys.json
#   terraform init && terraform apply -var email=ops@example.com

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }
}

provider "aws" {
  region = "eu-west-1"
}

variable "email" {
  description = "Who is told"
  type        = string
}

locals {
  target = "${path.module}/../../../../target"
}

resource "aws_sns_topic" "alarms" {
  for_each = toset(["eu-west-1", "us-east-1"])

  region            = each.value
  name              = "image-origin-alarms"
  kms_master_key_id = "alias/aws/sns"
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each = aws_sns_topic.alarms

  region    = each.key
  topic_arn = each.value.arn
  protocol  = "email"
  endpoint  = var.email
}

module "images" {
  source = "../.."

  function = {
    package  = "${local.target}/lambda-package/arm64.zip"
    settings = { max_pixels = "50000000" }
  }

  edge = {
    viewer_request  = "${local.target}/edge/viewer-request.zip"
    origin_response = "${local.target}/edge/origin-response.zip"
    viewer_response = "${local.target}/edge/viewer-response.zip"
  }

  files                = ["pdf", "mp4"]
  origin_shield_region = "eu-west-1"

  alarms = {
    topic_arn              = aws_sns_topic.alarms["eu-west-1"].arn
    distribution_topic_arn = aws_sns_topic.alarms["us-east-1"].arn
  }
}

output "url" {
  value = module.images.url
}
