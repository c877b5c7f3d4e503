#!/bin/sh
# Builds the documentation site into target/site/book and checks every link in it. Nothing but mdBook comes from the network,
# and that only if it is not installed.
#
#   docs/site/build.sh [PROGRAM]      the image-origin that makes the pictures; by default it is built
set -eu
cd "$(dirname "$0")/../.."
program=${1:-}
if [ -z "$program" ]; then
    cargo build --quiet --locked --bin image-origin
    program=target/debug/image-origin
fi
if ! command -v mdbook >/dev/null; then
    [ -x target/venv-site/bin/mdbook ] || {
        python3 -m venv target/venv-site
        target/venv-site/bin/pip install --quiet --disable-pip-version-check --require-hashes -r docs/site/requirements.txt
    }
    PATH=$PWD/target/venv-site/bin:$PATH
fi
node docs/site/prepare.mjs "$program"
mdbook build target/site
cp -r target/site/llms/. target/site/book/
node docs/site/check.mjs target/site/book
