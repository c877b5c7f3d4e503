# Step 1: a bucket, a function that transforms, and a CDN in front. Everybody may see everything.
#
#   infra/lambda/package.sh arm64
#   terraform init && terraform apply
#   aws s3 cp fixtures/photo.jpg "s3://$(terraform output -raw bucket)/"
#   curl -o t.jpg "$(terraform output -raw url)/photo.jpg?w=300"

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

module "images" {
  source = "../.."

  function = {
    package = "${path.module}/../../../../target/lambda-package/arm64.zip"
  }
}

output "url" {
  value = module.images.url
}

output "bucket" {
  value = module.images.bucket
}
