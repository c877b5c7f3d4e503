#!/usr/bin/env bash
# Checksums of all files of the release, and how they were built.
#
#   infra/release/finish.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/release/common.sh

cd "$files"
rm -f SHA256SUMS provenance.json
# The notes are the release's text, and no file of it.
sums=$(find . -maxdepth 1 -type f ! -name NOTES.md -printf '%P\n' | LC_ALL=C sort | xargs sha256sum)
echo "$sums" >SHA256SUMS
sha256sum --quiet --check SHA256SUMS
cd ../..
python3 infra/release/provenance.py >"$files/provenance.json"
echo "$(wc -l <"$files/SHA256SUMS") files in $files/SHA256SUMS"
