output "url" {
  description = "Where the images are"
  value       = var.distribution ? "https://${try(var.domain.names[0], aws_cloudfront_distribution.images[0].domain_name)}" : null
}

output "bucket" {
  description = "The bucket with the originals"
  value       = local.bucket
}

output "distribution_id" {
  description = "For invalidations"
  value       = one(aws_cloudfront_distribution.images[*].id)
}

output "function_url" {
  description = "The function's URL, which takes signed requests only"
  value       = aws_lambda_function_url.transformer.function_url
}

output "function_domain" {
  description = "What `[origins.transformer] domain` is, where signing is edge"
  value       = local.function_domain
}

output "bucket_policy_statement" {
  description = "With a bucket of your own and `files`: to be added to its policy"
  value       = local.own_bucket || length(local.files) == 0 ? null : jsonencode(local.cloudfront_may_read[0])
}

output "alarms_tell_nobody" {
  description = "Whether an alarm has no recipient"
  value       = var.alarms.topic_arn == null || (var.distribution && var.alarms.distribution_topic_arn == null)
}

output "key_value_store_arn" {
  description = "With edge_functions: where `image-origin edge push --store` brings rules and keys"
  value       = one(aws_cloudfront_key_value_store.edge[*].arn)
}
