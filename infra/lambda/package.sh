#!/bin/sh
# Packs the Lambda function for provided.al2023: target/lambda-package/<arch>.zip with one file, bootstrap.
#
#   infra/lambda/package.sh [x86_64|arm64] [lambda|dev] [heic] [jxl]
#
# The profile `dev` is what tests build: for this machine, at once, and slow in what it does. What follows are optional
# formats, as cargo features; the file `features` beside `bootstrap` remembers them.
#
# The runtime has glibc 2.34. With cargo-zigbuild (pip install cargo-zigbuild ziglang, or cargo install) the binary is
# linked for just that, on any machine and for either architecture; without it, for this machine's, which the check below
# may refuse on a newer system. Another architecture than this machine's needs its Rust, too: `rustup target add TARGET`.
set -eu
arch=${1:-x86_64}
profile=${2:-lambda}
[ $# -le 2 ] && features="" || { shift 2 && features="$*"; }
for feature in $features; do
    case $feature in
    heic | jxl) ;;
    *) echo "no such feature: $feature" >&2; exit 2 ;;
    esac
done
case $arch in
x86_64) target=x86_64-unknown-linux-gnu ;;
arm64) target=aarch64-unknown-linux-gnu ;;
*) echo "no such architecture: $arch" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/../.."
here=$(rustc -vV | sed -n 's/^host: //p')
if [ "$profile" = dev ]; then
    [ "$target" = "$here" ] || { echo "dev is for this machine, which is no $arch" >&2; exit 2; }
    cargo build --locked --bin image-origin --features "$features"
    built=target/debug
elif command -v cargo-zigbuild >/dev/null; then
    cargo zigbuild --locked --profile "$profile" --bin image-origin --features "$features" --target "$target.2.34"
    built=target/$target/$profile
elif [ "$target" = "$here" ]; then
    cargo build --locked --profile "$profile" --bin image-origin --features "$features"
    built=target/$profile
else
    echo "$arch is not built on this machine without cargo-zigbuild: pip install cargo-zigbuild ziglang" >&2
    exit 1
fi
folder=target/lambda-package/$arch
mkdir -p "$folder"
cp "$built/image-origin" "$folder/bootstrap"
echo "$features" >"$folder/features"
if [ "$profile" = dev ]; then
    # The CDK app packs the folder itself, and what tests run here may need this machine's glibc.
    strip "$folder/bootstrap"
    chmod 755 "$folder/bootstrap"
    exit 0
fi
infra/lambda/check-glibc.sh "$folder/bootstrap"
# Lambda runs as another user; a fixed date makes equal contents equal archives.
chmod 755 "$folder/bootstrap"
touch -d '2000-01-01T00:00:00Z' "$folder/bootstrap"
rm -f "$folder.zip"
if command -v zip >/dev/null; then
    (cd "$folder" && TZ=UTC zip -q -9 -X "../$arch.zip" bootstrap)
else
    python3 - "$folder" <<'PYTHON'
import sys, zipfile
entry = zipfile.ZipInfo("bootstrap", (2000, 1, 1, 0, 0, 0))
entry.external_attr, entry.compress_type = 0o100755 << 16, zipfile.ZIP_DEFLATED
with zipfile.ZipFile(sys.argv[1] + ".zip", "w") as archive, open(sys.argv[1] + "/bootstrap", "rb") as program:
    archive.writestr(entry, program.read(), compresslevel=9)
PYTHON
fi
echo "bootstrap: $(wc -c <"$folder/bootstrap") bytes; $folder.zip: $(wc -c <"$folder.zip") bytes"
