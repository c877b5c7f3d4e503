#!/usr/bin/env bash
# From a checkout and an AWS account to a CDN: builds what is deployed, and deploys it. The same again brings an update.
#
#   infra/deploy.sh [OPTIONS.json] [further arguments of `cdk deploy`]
#
# Needs Rust, Node.js 20 and credentials for AWS. infra/README.md tells the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
options=infra/cdk/options.json
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
    options=$1
    shift
fi
options=$(realpath "$options")

arch=$(node -p "require('$options').function?.architecture ?? 'arm64'")
# Tells the CDK app what the grammar is, and compiles the edge's configuration.
cargo build --locked --bin image-origin
export IMAGE_ORIGIN=$PWD/target/debug/image-origin
infra/lambda/package.sh "$arch"
infra/edge/build.sh

cd infra/cdk
npm ci
cdk() { npx cdk "$@" --context "options=$options"; }
region=$(node -p "require('$options').region ?? process.env.AWS_REGION ?? ''")
account=$(node -p "require('$options').account ?? ''")
account=${account:-$(aws sts get-caller-identity --query Account --output text)}
region=${region:-$(aws configure get region)}
# Once for each region of an account; later it does nothing.
npx cdk bootstrap "aws://$account/$region" "aws://$account/us-east-1" --context "options=$options"
# A private deployment is its user pool first, whose names are packaged with the rest.
cdk list | grep -q -- '-cdn$' || cdk deploy --all "$@"
cdk deploy --all "$@"
