# What the scripts of a release share; sourced from the root of the repository.
# shellcheck shell=bash disable=SC2034

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
files=target/release-files
mkdir -p "$files"
# Files in archives have the time of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

fail() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

# The folder below target/ of a profile.
profile_folder() {
    if [ "$1" = dev ]; then echo debug; else echo "$1"; fi
}
