#!/usr/bin/env bash
# From a checkout and an AWS account to a CDN: builds what is deployed, and deploys it. The same again brings an update.
#
#   infra/deploy.sh [OPTIONS.json] [further arguments of `cdk deploy`]
#
# Needs Rust, Node.js 20 and credentials for AWS. infra/README.md tells the rest.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf 'infra/deploy.sh: %s\n' "$*" >&2
    exit 1
}

options=infra/cdk/options.json
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
    options=$1
    shift
fi
[ -f "$options" ] || fail "there is no file $options"
options=$(realpath "$options")

# What is missing is said before anything is built.
for program in cargo node npm aws; do
    command -v "$program" >/dev/null || fail "$program is needed; infra/README.md says what else"
done

# The value of an option such as function.architecture, a list in one line; nothing where it is not set.
option() {
    node -e '
        const [file, path] = process.argv.slice(1);
        try {
            const options = JSON.parse(require("fs").readFileSync(file, "utf8"));
            const value = path.split(".").reduce((value, name) => value?.[name], options) ?? "";
            console.log([value].flat().join(" "));
        } catch (error) {
            const [reason] = error.message.split("\n");
            console.error(`infra/deploy.sh: correct ${file}, which cannot be read as JSON: ${reason}`);
            process.exit(1);
        }
    ' "$options" "$1"
}

arch=$(option function.architecture)
arch=${arch:-arm64}
region=$(option region)
region=${region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}}
[ -n "$region" ] || fail "no region: set it in $options, as AWS_REGION, or with aws configure"
# For the CDK, which looks for it in fewer places.
export AWS_REGION=$region
account=$(option account)
account=${account:-$(aws sts get-caller-identity --query Account --output text)} ||
    fail "no account: AWS takes no credentials from here"
name=$(option name)
name=${name:-image-origin}
days=$(option function.logDays)
read -ra features <<<"$(option function.features)"

# Tells the CDK app what the grammar is, compiles the edge's configuration, and checks settings and keys.
cargo build --locked --bin image-origin
export IMAGE_ORIGIN=$PWD/target/debug/image-origin
infra/lambda/package.sh "$arch" lambda ${features+"${features[@]}"}
infra/edge/build.sh

cd infra/cdk
npm ci
cdk() { npx cdk "$@" --context "options=$options"; }
# Once for each region of an account; later it does nothing.
npx cdk bootstrap "aws://$account/$region" "aws://$account/us-east-1" --context "options=$options"
# A private deployment is its user pool first, whose names are packaged with the rest.
stacks=$(cdk list)
grep -q -- '-cdn$' <<<"$stacks" || cdk deploy --all "$@"
# Functions with an empty store answer nobody: it is filled before the distribution calls them.
if [ "$(option edge.engine)" = functions ]; then
    cdk deploy "$name-edge" "$@"
    store=$(aws cloudformation describe-stacks --region us-east-1 --stack-name "$name-edge" \
        --query "Stacks[0].Outputs[?OutputKey=='KeyValueStoreArn'].OutputValue" --output text)
    # Paths in the options are relative to their file.
    (
        cd "$(dirname "$options")"
        config=$(option edge.config)
        keys=$(option edge.keys)
        "$IMAGE_ORIGIN" edge push "${config:-examples/public.toml}" ${keys:+--keys "$keys"} --store "$store"
    )
fi
cdk deploy --all "$@"
../edge/logs.sh "$name" "${days:-30}"
