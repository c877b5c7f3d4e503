terraform {
  required_version = ">= 1.9"

  required_providers {
    # From 6.0 on every resource has a region of its own, which Lambda@Edge needs.
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }
}
