"""Shows that check.py finds what is wrong: each row spoils the module in one place.

    python3 infra/terraform/check_test.py TYPES
"""

import shutil
import sys
import tempfile
from pathlib import Path

from check import Module

HERE = Path(__file__).parent
ROWS = [
    # file, what stands there, what is put in its place, what check.py says
    ("function.tf", "memory_size   ", "memory_sise   ", "aws_lambda_function.transformer: there is no `memory_sise`"),
    ("function.tf", "ephemeral_storage {", "ephemeral {", "aws_lambda_function.transformer: there is no `ephemeral`"),
    ("function.tf", "    size = 512", "    sice = 512", "aws_lambda_function.transformer.ephemeral_storage: there is no `sice`"),
    ("function.tf", "        stat        = \"Sum\"", "", "aws_cloudwatch_metric_alarm.errors.metric_query.metric: `stat` is required"),
    ("function.tf", "aws_lambda_function_url\" \"", "aws_lambda_url\" \"", "aws_lambda_url.transformer: the provider has no aws_lambda_url"),
    ("cdn.tf", "origin_ssl_protocols ", "ssl_protocols ", "aws_cloudfront_distribution.images.origin.custom_origin_config: `origin_ssl_protocols` is required"),
    ("cdn.tf", "      override = true\n    }\n\n    referrer", "    }\n\n    referrer", "security_headers_config.content_type_options: `override` is required"),
    ("storage.tf", "object_ownership", "owner", "aws_s3_bucket_ownership_controls.originals.rule: `object_ownership` is required"),
    ("storage.tf", "local.own_bucket ?", "local.owned ?", "storage.tf: there is no local.owned"),
    ("outputs.tf", "aws_lambda_function_url.transformer", "aws_lambda_function_url.other", "outputs.tf: there is no aws_lambda_function_url.other"),
    ("function.tf", "  function_name      = aws_lambda_function.transformer.function_name", "  function_name = aws_cloudfront_distribution.images[0].id", "a circle: "),
    ("examples/1-transform/main.tf", "  function = {", "  funktion = {", "module.images: there is no variable funktion"),
    ("examples/1-transform/main.tf", "module.images.bucket", "module.images.buckets", "module.images has no output buckets"),
]


def main() -> int:
    types = Path(sys.argv[1])
    for file, before, after, expected in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(HERE, folder, dirs_exist_ok=True)
            spoilt = Path(folder) / file
            text = spoilt.read_text()
            assert before in text, (file, before)
            spoilt.write_text(text.replace(before, after, 1))
            found = list(Module(spoilt.parent).problems(types))
            assert any(expected in problem for problem in found), (file, after, expected, found)
    print(f"check.py finds {len(ROWS)} faults of {len(ROWS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
