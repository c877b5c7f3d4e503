#!/usr/bin/env bash
# A release as far as this machine can make one: every script but publish.sh, in order. What cannot be done here is said at
# the end, and is no failure; what can be and fails is.
#
#   infra/release/dry_run.sh [--profile PROFILE] [TARGET...] [-- CARGO ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/release/common.sh

profile=dev
if [ "${1:-}" = --profile ]; then
    profile=${2:?name a profile}
    shift 2
fi
targets=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    targets+=("$1")
    shift
done
[ $# -eq 0 ] || shift
[ ${#targets[@]} -gt 0 ] ||
    targets=({x86_64,aarch64}-unknown-linux-{gnu,musl} {aarch64,x86_64}-apple-darwin)
rm -rf "$files" target/release-work
mkdir -p "$files"
left=()
say() { printf '\n== %s\n' "$*"; }

say "preflight"
infra/release/preflight.sh
here=$(rustc -vV | sed -n 's/^host: //p')
zig=$(command -v cargo-zigbuild || true)
installed=$(rustup target list --installed 2>/dev/null || echo "$here")
for target in "${targets[@]}"; do
    say "$target"
    if [[ $target == *-apple-darwin && $here != *-apple-darwin ]]; then
        left+=("$target: built on macOS only")
    elif [[ $target == *-linux-* && -z $zig ]]; then
        left+=("$target: needs cargo-zigbuild (pip install cargo-zigbuild ziglang)")
    elif ! grep -qx "$target" <<<"$installed"; then
        left+=("$target: needs its Rust (rustup target add $target)")
    else
        IMAGE_ORIGIN=${IMAGE_ORIGIN:-} infra/release/build.sh "$target" "$profile" "$@"
        [ "$target" != "$here" ] || IMAGE_ORIGIN=$PWD/target/release-work/image-origin-$version-$target/image-origin
    fi
done

say "Lambda"
case $(uname -m) in aarch64 | arm64) arch=arm64 ;; *) arch=x86_64 ;; esac
if [ "$profile" = dev ]; then
    infra/release/lambda.sh dev "$arch"
    left+=("Lambda's other architecture: --profile lambda builds both")
else
    infra/release/lambda.sh "$profile"
fi

say "the edge"
status=0 && infra/release/edge.sh || status=$?
if [ "$status" = 3 ]; then
    left+=("the edge: no WebAssembly can be built here")
elif [ "$status" != 0 ]; then
    exit "$status"
fi

say "the container"
infra/release/container.sh
docker info >/dev/null 2>&1 || left+=("the container image: no engine runs here; its context is checked")

say "checksums and provenance"
infra/release/finish.sh
python3 - "$files" <<'PYTHON'
import json, pathlib, sys, tarfile
files = pathlib.Path(sys.argv[1])
assert json.loads((files / "provenance.json").read_text())["runDetails"]["builder"]["id"]
for archive in files.glob("*.tar.gz"):
    bill = json.loads((files / archive.name.replace(".tar.gz", ".cdx.json")).read_text())
    names = {component["name"] for component in bill["components"]}
    assert {"tokio", "hyper", "image-origin-codec"} <= names and "proptest" not in names, sorted(names)
    refs = {component["bom-ref"] for component in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {ref for need in bill["dependencies"] for ref in [need["ref"], *need["dependsOn"]]} <= refs
    with tarfile.open(archive) as packed:
        members = packed.getnames()
    # What `cargo binstall` looks for, by the manifest.
    assert f"{archive.name.removesuffix('.tar.gz')}/image-origin" in members, members
    print(f"{archive.name}: {len(members)} files, {len(names)} crates")
PYTHON

ls -l "$files"
if [ ${#left[@]} -gt 0 ]; then
    say "not done here"
    printf -- '- %s\n' "${left[@]}"
fi
