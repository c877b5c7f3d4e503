#!/usr/bin/env bash
# Fuzzes every target for a while: fuzz/each.sh [SECONDS] [TARGET...]
#
# Needs a nightly toolchain and cargo-fuzz. The seeds are the fixtures; what is learnt stays in fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60
case "${1:-}" in [0-9]*) seconds=$1; shift ;; esac
cargo +nightly fuzz build --sanitizer none --no-trace-compares
if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(cargo +nightly fuzz list); fi
mapfile -t seeds < <(find fixtures -type d)
for target in "${targets[@]}"; do
    printf '\n== %s for %s seconds\n' "$target" "$seconds"
    mkdir -p "fuzz/corpus/$target"
    cargo +nightly fuzz run "$target" --sanitizer none --no-trace-compares "fuzz/corpus/$target" "${seeds[@]}" -- \
        -max_len=4096 -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
done
