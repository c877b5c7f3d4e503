#!/usr/bin/env bash
# Makes the release on GitHub out of the files that are there. Needs `gh` with a token.
#
#   infra/release/publish.sh TAG
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/release/common.sh

tag=${1:?name the tag}
[ "$tag" = "v$version" ] || fail "the tag $tag is not v$version"
(cd "$files" && sha256sum --quiet --check SHA256SUMS) || fail "run infra/release/finish.sh once all files are there"
for target in {x86_64,aarch64}-unknown-linux-{gnu,musl} {x86_64,aarch64}-apple-darwin; do
    [ -f "$files/image-origin-$version-$target.tar.gz" ] || fail "the program for $target is missing"
done
mapfile -t upload < <(find "$files" -maxdepth 1 -type f ! -name NOTES.md | LC_ALL=C sort)
# What is already there was uploaded by a run that broke off.
gh release view "$tag" >/dev/null 2>&1 || gh release create "$tag" --verify-tag --draft --title "$version" --notes-file "$files/NOTES.md"
gh release upload "$tag" --clobber "${upload[@]}"
gh release edit "$tag" --draft=false
