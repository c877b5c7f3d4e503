#!/usr/bin/env bash
# The zips of the Lambda function for both architectures, as infra/lambda/package.sh packs them.
#
#   infra/release/lambda.sh [PROFILE] [ARCHITECTURE...]
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/release/common.sh

profile=${1:-lambda}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- x86_64 arm64
for arch in "$@"; do
    infra/lambda/package.sh "$arch" "$profile"
    python3 infra/release/archive.py "target/lambda-package/$arch" "$files/image-origin-$version-lambda-$arch.zip" bootstrap
    echo "$files/image-origin-$version-lambda-$arch.zip"
done
