# The viewer functions as CloudFront Functions, instead of those of Lambda@Edge. `image-origin edge push` fills the store with rules
# and keys; until then every viewer is answered with 503.

locals {
  edge_functions = var.edge_functions == null || !var.distribution ? {} : {
    viewer-request  = var.edge_functions.viewer_request
    viewer-response = var.edge_functions.viewer_response
  }
}

resource "aws_cloudfront_key_value_store" "edge" {
  count   = length(local.edge_functions) > 0 ? 1 : 0
  name    = var.name
  comment = "Rules and keys; image-origin edge push changes them"
}

resource "aws_cloudfront_function" "edge" {
  for_each = local.edge_functions

  name                         = "${var.name}-${each.key}"
  comment                      = "image-origin: ${each.key}"
  runtime                      = "cloudfront-js-2.0"
  code                         = file(each.value)
  key_value_store_associations = aws_cloudfront_key_value_store.edge[*].arn
  publish                      = true
}
