#!/usr/bin/env bash
# Whether this commit can be released, and its notes. Without a tag, as a dry run, what is missing is a warning.
#
#   infra/release/preflight.sh [TAG]
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/release/common.sh

tag=${1:-}
missing() {
    if [ -n "$tag" ]; then fail "$*"; else echo "before a release: $*"; fi
}

[ -n "$version" ] || fail "Cargo.toml has no version"
[ -z "$tag" ] || [ "$tag" = "v$version" ] || fail "the tag $tag is not v$version, which Cargo.toml has"
for field in repository homepage; do
    grep -q "^$field = \"https://" Cargo.toml || missing "name the $field in [workspace.package] of Cargo.toml"
done

# Dependencies within the workspace, and the client, have the same version.
while read -r line; do
    [[ $line == *"version = \"$version\""* ]] || fail "another version than $version: $line"
done < <(grep -E '^image-origin-[a-z0-9]+ = \{ .*path' Cargo.toml)
grep -q "\"version\": \"$version\"" clients/js/package.json || fail "clients/js/package.json has another version than $version"

notes() {
    awk -v heading="## $1" 'index($0, heading) == 1 { found = 1; next } found && /^## / { exit } found' CHANGELOG.md
}
notes "$version" >"$files/NOTES.md"
if ! grep -q '[^[:space:]]' "$files/NOTES.md"; then
    missing "write '## $version' above the changes in CHANGELOG.md, which are unreleased"
    notes Unreleased >"$files/NOTES.md"
fi
grep -q '[^[:space:]]' "$files/NOTES.md" || fail "CHANGELOG.md says nothing of $version"
cargo metadata --locked --format-version 1 --no-deps >/dev/null || fail "Cargo.lock is not that of Cargo.toml"
echo "$version: $(grep -c '^- ' "$files/NOTES.md") changes in the notes"
