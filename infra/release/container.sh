#!/usr/bin/env bash
# The container image for amd64 and arm64, from the archives of build.sh, so that nothing is compiled in an emulator.
#
#   infra/release/container.sh [--push NAME]
#
# Without an engine, or without --push, the context is laid out and checked, and the image is not built.
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/release/common.sh

name=
if [ "${1:-}" = --push ]; then
    name=${2:-}
    [ -n "$name" ] || fail "--push takes the image's name, such as ghcr.io/owner/image-origin"
fi
context=target/release-work/container
rm -rf "$context"
platforms=()
for pair in amd64:x86_64-unknown-linux-gnu arm64:aarch64-unknown-linux-gnu; do
    arch=${pair%%:*} target=${pair#*:}
    archive=$files/image-origin-$version-$target.tar.gz
    if ! [ -f "$archive" ]; then
        [ -z "$name" ] || fail "there is no $archive"
        echo "no $archive: $arch is left out"
        continue
    fi
    mkdir -p "$context/$arch"
    tar -xzf "$archive" -C "$context/$arch" --strip-components=1 "image-origin-$version-$target/image-origin"
    python3 infra/release/check_elf.py "$context/$arch/image-origin" "$target"
    platforms+=("linux/$arch")
done
[ ${#platforms[@]} -gt 0 ] || fail "no program is built; infra/release/build.sh does that"
cp infra/release/Dockerfile "$context/Dockerfile"
# Both images are one but for how the program comes into them.
settings() { grep -E '^(ENV|USER|EXPOSE|HEALTHCHECK|ENTRYPOINT|CMD) ' "$1"; }
diff <(settings infra/container/Dockerfile) <(settings infra/release/Dockerfile) || fail "the two Dockerfiles differ"
joined=$(IFS=, && echo "${platforms[*]}")
if [ -n "$name" ]; then
    docker buildx build --platform "$joined" --provenance=mode=max --sbom=true --push \
        --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$(git rev-parse HEAD)" \
        --label "org.opencontainers.image.licenses=MIT OR Apache-2.0" --tag "$name:$version" --tag "$name:latest" "$context"
elif docker info >/dev/null 2>&1; then
    docker buildx build --platform "$joined" --tag "image-origin:$version" "$context"
else
    echo "the context for $joined is in $context; no container engine runs here, so the image is not built"
fi
