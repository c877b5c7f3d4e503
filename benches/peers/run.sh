#!/usr/bin/env bash
# Runs the same pictures and queries through this project and through sharp, and prints a table.
#
#   benches/peers/run.sh             everything
#   benches/peers/run.sh webp        only the cases whose name contains "webp"
#
# Needs Node.js 20 or newer with npm beside what the project itself needs. ROUNDS=n sets how often each case is run.
set -euo pipefail
cd "$(dirname "$0")"

command -v npm > /dev/null || { echo "npm is not installed; sharp comes from it" >&2; exit 1; }
npm install --no-package-lock --no-audit --no-fund --loglevel=error >&2
cargo build --profile dist --bin image-origin >&2
cargo build --profile dist --package image-origin-benches --features peer --example peer >&2
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
TARGET_DIR="$target" exec node compare.mjs "$@"
