# Step 3: a bucket that exists, own host names, and a folder for each user of a Cognito pool. Our function signs, so originals
# may come straight from the bucket.
#
#   infra/lambda/package.sh arm64
#   infra/edge/package.sh infra/terraform/examples/3-private/edge.toml keys.json
#   terraform init && terraform apply -var bucket=... -var zone_id=... -var certificate_arn=...

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

variable "bucket" {
  description = "The bucket with the originals"
  type        = string
}

variable "zone_id" {
  description = "The hosted zone of example.com"
  type        = string
}

variable "certificate_arn" {
  description = "A certificate of us-east-1 for images.example.com"
  type        = string
}

locals {
  target = "${path.module}/../../../../target"
}

module "images" {
  source = "../.."

  name    = "members"
  signing = "edge"
  bucket  = { name = var.bucket }

  function = {
    package = "${local.target}/lambda-package/arm64.zip"
  }

  edge = {
    viewer_request  = "${local.target}/edge/viewer-request.zip"
    origin_request  = "${local.target}/edge/origin-request.zip"
    origin_response = "${local.target}/edge/origin-response.zip"
    viewer_response = "${local.target}/edge/viewer-response.zip"
  }

  domain = {
    names           = ["images.example.com"]
    certificate_arn = var.certificate_arn
    zone_id         = var.zone_id
  }
}

output "url" {
  value = module.images.url
}
