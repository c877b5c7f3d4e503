# The functions of Lambda@Edge, in us-east-1, where CloudFront takes them from. Lambda deletes no version that CloudFront has
# copies of, and those live for hours, so a destroyed deployment leaves the functions behind (`skip_destroy`).

locals {
  edge_zips = var.edge == null || !var.distribution ? {} : {
    for name, zip in {
      viewer-request  = var.edge.viewer_request
      origin-request  = var.signing == "edge" ? var.edge.origin_request : null
      origin-response = var.edge.origin_response
      viewer-response = var.edge.viewer_response
    } : name => zip if zip != null
  }

  # What the origin-request function signs for. Since October 2025 Lambda wants both of the latter.
  sign_statements = concat(local.read_statements, [
    {
      Effect    = "Allow"
      Action    = ["lambda:InvokeFunctionUrl"]
      Resource  = [local.function_arn]
      Condition = { StringEquals = { "lambda:FunctionUrlAuthType" = "AWS_IAM" } }
    },
    {
      Effect    = "Allow"
      Action    = ["lambda:InvokeFunction"]
      Resource  = [local.function_arn]
      Condition = { Bool = { "lambda:InvokedViaFunctionUrl" = "true" } }
    },
  ])
}

resource "aws_iam_role" "edge" {
  for_each = local.edge_zips

  name = "${var.name}-${each.key}"
  tags = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = ["lambda.amazonaws.com", "edgelambda.amazonaws.com"] }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "edge" {
  for_each = local.edge_zips

  name = "edge"
  role = aws_iam_role.edge[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Effect = "Allow"
        Action = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
        # Copies run in every region, each with a log of its own.
        Resource = [
          "arn:${local.partition}:logs:*:${local.account}:log-group:/aws/lambda/us-east-1.${var.name}-${each.key}",
          "arn:${local.partition}:logs:*:${local.account}:log-group:/aws/lambda/us-east-1.${var.name}-${each.key}:*",
        ]
      }],
      [for statement in local.sign_statements : statement if each.key == "origin-request"],
    )
  })
}

resource "aws_lambda_function" "edge" {
  for_each = local.edge_zips

  region           = "us-east-1"
  function_name    = "${var.name}-${each.key}"
  description      = "image-origin: ${each.key}"
  filename         = each.value
  source_code_hash = filebase64sha256(each.value)
  # Lambda@Edge takes x86_64 only, no layers and no variables.
  runtime       = "nodejs22.x"
  architectures = ["x86_64"]
  handler       = "index.handler"
  memory_size   = 128
  timeout       = 5
  publish       = true
  skip_destroy  = true
  role          = aws_iam_role.edge[each.key].arn
  tags          = local.tags

  depends_on = [aws_iam_role_policy.edge]
}
