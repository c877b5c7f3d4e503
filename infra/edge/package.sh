#!/bin/sh
# Packages the four edge functions as target/edge/<function>.zip, for deployments by other means than infra/cdk, which does
# this itself.
#
#   infra/edge/package.sh edge.toml KEYS
#
# KEYS is a file with the secrets, or `ssm:NAME`, a SecureString that the AWS CLI reads. Only the viewer-request function
# gets the keys. The configuration is compiled by the image-origin of this checkout.
set -eu
config=$(realpath "$1")
case $2 in
ssm:*) keys=$2 ;;
*) keys=$(realpath "$2") ;;
esac
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
secrets=$work/keys.json
(umask 077 && : >"$secrets")
cargo run --quiet --locked -- edge compile "$config" >"$work/config.json"
case $keys in
ssm:*) aws ssm get-parameter --with-decryption --name "${keys#ssm:}" --query Parameter.Value --output text >"$secrets" ;;
*) cat "$keys" >"$secrets" ;;
esac

infra/edge/build.sh
for function in viewer-request origin-request origin-response viewer-response; do
    folder="target/edge/$function"
    chmod 700 "$folder"
    cp infra/edge/index.mjs "$folder/index.mjs"
    cp "$work/config.json" "$folder/config.json"
    if [ "$function" = viewer-request ]; then cp "$secrets" "$folder/keys.json"; else echo '{}' >"$folder/keys.json"; fi
    # Lambda runs as another user than the one who owns these files there.
    chmod 644 "$folder"/*
    # What is wrong with the configuration or the keys comes out here, not in the CDN.
    node --input-type=module -e "await import('$PWD/$folder/index.mjs')"
    rm -f "$folder.zip"
    if command -v zip >/dev/null; then zip -q -9 -X -j "$folder.zip" "$folder"/*; else python3 -m zipfile -c "$folder.zip" "$folder"/*; fi
    chmod 600 "$folder.zip"
    echo "$function: $(wc -c <"$folder.zip") bytes as $folder.zip"
done
