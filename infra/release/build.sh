#!/usr/bin/env bash
# Builds the program for a target and packs it with its licences, its manual, and the list of what it is made of.
#
#   infra/release/build.sh TARGET [PROFILE] [CARGO ARGUMENTS, by default --features otel]
#
# Linux targets need cargo-zigbuild; those of macOS need macOS. `rustup target add TARGET` comes first.
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/release/common.sh

[ $# -ge 1 ] || fail "name a target such as x86_64-unknown-linux-gnu"
target=$1
profile=${2:-dist}
shift $(($# > 1 ? 2 : 1))
# The released container image is made of these programs, and exports traces and metrics where OTEL_* variables ask for it.
[ $# -gt 0 ] || set -- --features otel
here=$(rustc -vV | sed -n 's/^host: //p')
# Messages of panics name source files; where these lie on the machine that builds is nobody's business, and differs.
RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$PWD=."
export RUSTFLAGS
case $target in
*-linux-gnu) cargo zigbuild --locked --profile "$profile" --bin image-origin --target "$target.2.34" "$@" ;;
*-linux-musl) cargo zigbuild --locked --profile "$profile" --bin image-origin --target "$target" "$@" ;;
*-apple-darwin)
    [[ $here == *-apple-darwin ]] || fail "$target is built on macOS only: its linker needs Apple's SDK"
    cargo build --locked --profile "$profile" --bin image-origin --target "$target" "$@"
    ;;
*) fail "no such target: $target" ;;
esac
program=target/$target/$(profile_folder "$profile")/image-origin

name=image-origin-$version-$target
folder=target/release-work/$name
rm -rf "$folder"
mkdir -p "$folder"
cp "$program" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$folder/"
case $target in
*-linux-*) python3 infra/release/check_elf.py "$folder/image-origin" "$target" ;;
esac

# The program itself writes its completions and manual, where it runs here.
if [ "${target%%-*}-${target##*-}" = "${here%%-*}-${here##*-}" ] || [ "$target" = "${here%-gnu}-musl" ]; then
    runs=$folder/image-origin
else
    runs=${IMAGE_ORIGIN:-}
fi
if [ -n "$runs" ]; then
    "$runs" --version | grep -qx "image-origin $version" || fail "$runs is not version $version"
    mkdir "$folder/completions" "$folder/man"
    for shell in bash zsh fish elvish powershell; do
        "$runs" completions "$shell" >"$folder/completions/image-origin.$shell"
    done
    "$runs" man "$folder/man"
else
    echo "$target does not run here: set IMAGE_ORIGIN to a program that does, for completions and manual pages"
fi

python3 infra/release/sbom.py "$target" "$@" >"$files/$name.cdx.json"
python3 infra/release/archive.py "$folder" "$files/$name.tar.gz"
echo "$files/$name.tar.gz: $(wc -c <"$files/$name.tar.gz") bytes, the program $(wc -c <"$program")"
