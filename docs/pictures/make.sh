#!/usr/bin/env bash
# Makes the README's pictures from fixtures/photo.jpg with the program itself, and prints their sizes.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${IMAGE_ORIGIN:-target/release/image-origin}
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
make() { "$program" transform --force fixtures/photo.jpg "$2" -o "docs/pictures/$1" >/dev/null; printf '%8d bytes  %-14s %s\n' "$(stat -c %s "docs/pictures/$1")" "$1" "$2"; }
printf '%8d bytes  the original\n' "$(stat -c %s fixtures/photo.jpg)"
make small.webp 'w=300&format=webp'
make square.webp 'w=225&h=225&fit=cover&gravity=0.72,0.25&format=webp'
make tint.webp 'w=300&tint=tan&contrast=1.2&format=webp'
for format in jpeg webp avif; do
    "$program" transform fixtures/photo.jpg "w=300&format=$format" -o "$scratch/small.$format" >/dev/null
    printf '%8d bytes  w=300&format=%s\n' "$(stat -c %s "$scratch/small.$format")" "$format"
done
