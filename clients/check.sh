#!/usr/bin/env bash
# The clients' own tests: their URLs and signatures against clients/vectors.json, and their generated files against the
# grammar of target/debug/image-origin, and the declarations against TypeScript, which comes from the npm registry. Needs
# Node.js 20 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${IMAGE_ORIGIN:-}" ] || cargo build --quiet --locked
node --test clients/js/test/*.test.mjs clients/types.test.mjs
