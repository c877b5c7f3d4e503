#!/usr/bin/env bash
# The functions at CloudFront's edge as zips, without what a deployment adds: config.json, which `image-origin edge compile`
# writes, and keys.json.
#
#   infra/release/edge.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/release/common.sh

infra/edge/build.sh
for folder in target/edge/*/; do
    function=$(basename "$folder")
    [ -f "$folder/edge.wasm" ] || continue
    staged=target/release-work/edge-$function
    mkdir -p "$staged"
    cp infra/edge/index.mjs "$folder/edge.wasm" "$staged/"
    python3 infra/release/archive.py "$staged" "$files/image-origin-$version-edge-$function.zip" edge.wasm index.mjs
    echo "$files/image-origin-$version-edge-$function.zip"
done
