#!/usr/bin/env bash
# What a change to the infrastructure must pass; no AWS account and no container engine are needed.
#
# Every variant of the CDK app is synthesised and held against cdk-nag, CloudFormation's schemas, cfn-lint and the assertions
# of infra/cdk/test; what was packaged is unpacked and run; the Dockerfile's steps are done, the Helm chart is rendered
# by Helm's own engine and held against the API's schemas, and the Terraform module against those of its provider and by checkov. What is missing comes from npm and PyPI; without Node.js 20 or Python 3 this is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! [ "$(node --version 2>/dev/null | tr -d v | cut -d. -f1)" -ge 20 ] 2>/dev/null; then
    echo "skipped: the infrastructure's checks take Node.js 20 or newer"
    exit 0
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "skipped: the infrastructure's checks take Python 3 with venv"
    exit 0
fi
case $(uname -m) in
x86_64) arch=x86_64 ;;
aarch64 | arm64) arch=arm64 ;;
*) echo "skipped: Lambda has no $(uname -m)"; exit 0 ;;
esac

status=0 && infra/edge/build.sh >/dev/null 2>&1 || status=$?
if [ "$status" = 3 ]; then
    echo "skipped: no WebAssembly can be built here; infra/edge/build.sh says why"
    exit 0
fi
[ "$status" = 0 ]
# What the tests were built with; it is no matter of speed here.
infra/lambda/package.sh "$arch" dev
export IMAGE_ORIGIN=$PWD/target/debug/image-origin

# Fetched while the rest is under way.
venv=target/venv
{
    if ! cmp -s infra/cdk/requirements.txt "$venv/requirements.txt"; then
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r infra/cdk/requirements.txt
        cp infra/cdk/requirements.txt "$venv/requirements.txt"
    fi
} &
linters=$!

# What Terraform's provider takes, as the bindings for TypeScript declare it.
bindings=@cdktf/provider-aws@21.22.1
types=target/terraform-types
{
    if [ "$(cat "$types/version" 2>/dev/null)" != "$bindings" ]; then
        rm -rf "$types"
        mkdir -p "$types"
        archive=$(npm pack --silent --pack-destination "$types" "$bindings")
        tar -xzf "$types/$archive" -C "$types" --wildcards 'package/lib/*.d.ts'
        rm "$types/$archive"
        echo "$bindings" >"$types/version"
    fi
} &
declarations=$!

# checkov needs other versions of what the linters need, so it has a place of its own. It waits for nothing here.
checkov=checkov==3.3.30
{
    if [ "$(cat target/checkov/version 2>/dev/null)" != "$checkov" ]; then
        rm -rf target/checkov
        python3 -m venv target/checkov
        target/checkov/bin/python -m pip install --quiet --disable-pip-version-check "$checkov"
        echo "$checkov" >target/checkov/version
    fi
    target/checkov/bin/checkov --directory infra/terraform --config-file infra/terraform/.checkov.yaml --quiet --compact --skip-download
    echo "checkov has nothing to say about the Terraform module"
} &
security=$!

cd infra/cdk
npm ci --loglevel=error
npm run --silent check
npm run --silent synth
wait "$linters"
"../../$venv/bin/cfn-lint"
echo "cfn-lint has nothing to say about $(ls ../../target/cdk/*/*.template.json | wc -l) templates"
npm test --silent
cd ../..

infra/container/check.sh
"$venv/bin/python" -B infra/kubernetes/check.py infra/kubernetes/chart
"$venv/bin/cfn-lint" infra/container/recipes/ecs.yaml
"$venv/bin/python" -B infra/container/recipes/check.py "$IMAGE_ORIGIN"

wait "$declarations"
"$venv/bin/python" -B infra/terraform/check.py "$types/package/lib" infra/terraform infra/terraform/examples/*/
"$venv/bin/python" -B infra/terraform/check_test.py "$types/package/lib"
for rules in infra/terraform/examples/*/edge.toml; do "$IMAGE_ORIGIN" edge check "$rules"; done
wait "$security"
if command -v terraform >/dev/null; then
    terraform fmt -check -recursive infra/terraform
else
    echo "skipped: terraform fmt, as Terraform is not installed"
fi
