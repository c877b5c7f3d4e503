variable "name" {
  description = "Starts the name of everything. Another name is another deployment"
  type        = string
  default     = "image-origin"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "The name takes 3 to 20 lower case letters, digits and hyphens."
  }
}

variable "tags" {
  description = "Tags of everything that has some"
  type        = map(string)
  default     = {}
}

variable "bucket" {
  description = "Where the originals are. Without `name` a bucket is made and kept private; `prefix` limits what is served to keys below it; `kms_key_arn` is the key that the bucket is encrypted by"
  type = object({
    name            = optional(string)
    prefix          = optional(string, "")
    kms_key_arn     = optional(string)
    noncurrent_days = optional(number, 30)
  })
  default = {}

  validation {
    condition     = can(regex("^((/[A-Za-z0-9._~-]+)+)?$", var.bucket.prefix))
    error_message = "The prefix starts with a slash and ends without one."
  }
}

variable "function" {
  description = "The transformer. `package` is the zip of infra/lambda/package.sh; `settings` are those of `image-origin serve --help`; `sources` are the buckets that [[sources]] of a configuration file in the package read: that file is named by the setting `config`; `concurrency` is the most copies, so the most that it can cost, and -1 is no bound"
  type = object({
    package      = string
    architecture = optional(string, "arm64")
    memory       = optional(number, 1769)
    timeout      = optional(number, 30)
    concurrency  = optional(number, 20)
    log_days     = optional(number, 30)
    settings     = optional(map(string), {})
    sources      = optional(list(string))
  })

  validation {
    condition     = contains(["arm64", "x86_64"], var.function.architecture)
    error_message = "The architecture is arm64 or x86_64."
  }
  validation {
    condition     = var.function.timeout >= 5 && var.function.timeout <= 60
    error_message = "CloudFront waits for 5 to 60 seconds."
  }
  validation {
    condition     = var.function.sources == null || contains(keys(var.function.settings), "config")
    error_message = "The sources are described by a configuration file in the package: settings = { config = \"/var/task/image-origin.toml\" }."
  }
  validation {
    condition     = !contains(keys(var.function.settings), "cors")
    error_message = "The variable cors says that, for the bucket and CloudFront alike."
  }
}

variable "edge" {
  description = "The functions of Lambda@Edge: the zips of infra/edge/package.sh. Without them everybody may see everything. `viewer_response` marks what is not public as private: name it if any rule is not public"
  type = object({
    viewer_request  = string
    origin_request  = optional(string)
    origin_response = string
    viewer_response = optional(string)
  })
  default = null
}

variable "edge_functions" {
  description = "The same as CloudFront Functions: the files of `image-origin edge functions`. They take signing = oac, and no `edge`"
  type = object({
    viewer_request  = string
    viewer_response = string
  })
  default = null

  validation {
    condition     = var.edge_functions == null || var.edge == null
    error_message = "Either Lambda@Edge (edge) or CloudFront Functions (edge_functions) run at the edge."
  }
  validation {
    condition     = var.edge_functions == null || var.signing == "oac"
    error_message = "CloudFront Functions sign nothing: signing is oac."
  }
}

variable "signing" {
  description = "Who signs requests to the function: `oac` is CloudFront, `edge` our origin-request function"
  type        = string
  default     = "oac"

  validation {
    condition     = contains(["oac", "edge"], var.signing)
    error_message = "Either oac or edge signs."
  }
  validation {
    condition     = var.signing == "oac" || try(var.edge.origin_request, null) != null
    error_message = "To sign at the edge takes edge.origin_request."
  }
}

variable "files" {
  description = "With signing = oac: endings of files that come from the bucket as they are, such as [\"pdf\", \"mp4\"]"
  type        = list(string)
  default     = []
}

variable "distribution" {
  description = "Whether CloudFront is in front. Without it only roles may ask the function: the output `function_url` is where"
  type        = bool
  default     = true
}

variable "invalidation" {
  description = "Which changed originals CloudFront is told of: `replaced` and deleted ones, which takes a versioned bucket, `all`, or `off`. By default `replaced`; with a bucket of your own `off`, whose events to Amazon EventBridge are yours to turn on"
  type        = string
  default     = null

  validation {
    condition     = var.invalidation == null ? true : contains(["replaced", "all", "off"], var.invalidation)
    error_message = "Takes replaced, all or off."
  }
}

variable "domain" {
  description = "Own host names: a certificate of us-east-1 for them, and the hosted zone that gets their records"
  type = object({
    names           = list(string)
    certificate_arn = string
    zone_id         = string
  })
  default = null
}

variable "cors" {
  description = "Web origins whose scripts may read pictures"
  type        = list(string)
  default     = ["*"]
}

variable "origin_shield_region" {
  description = "A region with Origin Shield, as one more cache in front of the function"
  type        = string
  default     = null
}

variable "trusted_key_groups" {
  description = "Ids of key groups whose CloudFront signed URLs or cookies viewers need"
  type        = list(string)
  default     = []
}

variable "web_acl_arn" {
  description = "A firewall (AWS WAF, scope CLOUDFRONT)"
  type        = string
  default     = null
}

variable "access_log_bucket" {
  description = "The domain name of a bucket for CloudFront's access logs. They hold the viewers' own URLs, with tokens and signatures"
  type        = string
  default     = null
}

variable "price_class" {
  description = "Where CloudFront answers: PriceClass_100 is Europe and North America"
  type        = string
  default     = "PriceClass_100"
}

variable "alarms" {
  description = "Topics of SNS that are told: `topic_arn` in the function's region, `distribution_topic_arn` in us-east-1. Without them alarms tell nobody"
  type = object({
    topic_arn              = optional(string)
    distribution_topic_arn = optional(string)
    errors_percent         = optional(number, 1)
    duration_percent       = optional(number, 80)
  })
  default = {}
}
