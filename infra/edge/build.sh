#!/bin/sh
# Builds the four edge functions as WebAssembly into target/edge/<function>/edge.wasm and prints their sizes.
#
# Standard library for wasm32: rustup's target if it is there or can be had, else Debian's rust-web-src, compiled along.
# Exit status 3 means that neither is here; what to do is printed.
set -eu
cd "$(dirname "$0")/../.."
target=wasm32-unknown-unknown
debian_packages="rustc-web cargo-web rust-web-src lld-16"

has_rustup_target() {
    sysroot=$(rustc --print sysroot 2>/dev/null) && [ -d "$sysroot/lib/rustlib/$target/lib" ]
}

if has_rustup_target || { command -v rustup >/dev/null && rustup target add "$target" >/dev/null 2>&1 && has_rustup_target; }
then
    build() { cargo rustc "$@"; }
elif [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -d /usr/src/rustc-"$(/usr/bin/rustc --version | cut -d' ' -f2)" ] &&
    command -v wasm-ld-16 >/dev/null
then
    # Compiled for speed, as rustup's is.
    for_speed="--config profile.edge.package.core.opt-level=3 --config profile.edge.package.alloc.opt-level=3"
    for_speed="$for_speed --config profile.edge.package.std.opt-level=3"
    build() {
        PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-16 \
            /usr/bin/cargo rustc -Zbuild-std=std,panic_abort $for_speed "$@"
    }
else
    echo "No standard library for $target: run 'rustup target add $target'," >&2
    echo "or on Debian 'apt-get install $debian_packages'." >&2
    exit 3
fi

# SHA-2 in its compact form: a signature hashes a kilobyte, and 20 KB of unrolled rounds are loaded at every cold start.
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\037%s' --cfg 'sha2_backend_soft="compact"')
# Messages of panics name source files; where they lie on the machine that builds is nobody's business.
for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    CARGO_ENCODED_RUSTFLAGS=$(printf '%s\037%s' "$CARGO_ENCODED_RUSTFLAGS" "--remap-path-prefix=$sources=")
done
export CARGO_ENCODED_RUSTFLAGS
for function in viewer-request origin-request origin-response viewer-response; do
    features=$function
    if [ "$function" = viewer-request ]; then features=$function,public-keys; fi
    build --quiet --locked --package image-origin-edge --lib --crate-type cdylib --target "$target" --profile edge \
        --target-dir target/edge-build --no-default-features --features "$features"
    mkdir -p "target/edge/$function"
    wasm="target/edge/$function/edge.wasm"
    built="target/edge-build/$target/edge/image_origin_edge.wasm"
    # Debian's binaryen, or npm's: npm install --prefix target/npm --no-save binaryen
    if PATH="$PATH:$PWD/target/npm/node_modules/.bin" && command -v wasm-opt >/dev/null; then
        # What rustc uses by default, and Node 20 knows; with more, wasm-opt writes types that Node 20 refuses.
        wasm-opt -Oz --enable-bulk-memory --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int \
            --enable-reference-types --enable-sign-ext "$built" -o "$wasm"
    else
        echo "no wasm-opt (apt-get install binaryen, or npm install --prefix target/npm --no-save binaryen):" >&2
        echo "the module stays an eighth larger" >&2
        cp "$built" "$wasm"
    fi
    echo "$function: $(wc -c <"$wasm") bytes of wasm, $(gzip -9 -c "$wasm" | wc -c) compressed"
done
