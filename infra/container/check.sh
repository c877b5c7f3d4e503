#!/bin/sh
# Does what the Dockerfile says without a container engine: its RUN lines in a clean folder that holds what its COPY and its
# .dockerignore leave, with PROFILE=dev; then its command, as its user, with its variables and its health check.
#
# Not done here: the base images are not fetched. That the program needs no more than the last one has is checked by its
# libraries.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
file=infra/container/Dockerfile
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
chmod 755 "$work"

mkdir "$work/src"
git ls-files -z --cached --others --exclude-standard | tar -c --null -T - --ignore-failed-read --exclude-from="$file.dockerignore" 2>/dev/null | tar -x -C "$work/src"
# What was built for the tests is not built again.
ln -s "$root/target" "$work/src/target"
sed -n 's/^RUN //p' "$file" >"$work/run.sh"
(cd "$work/src" && PROFILE=dev FEATURES='' sh -eu "$work/run.sh")

program=$work/image-origin
cp "$work/src/out/image-origin" "$program"
infra/lambda/check-glibc.sh "$program" || echo "so it does where it was built here; the image builds it with its own glibc"
needed=$(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }' | sort | tr '\n' ' ')
for library in $needed; do
    case $library in
    libc.so.6 | libm.so.6 | libgcc_s.so.1 | ld-linux-*) ;;
    *) echo "the image has no $library" >&2; exit 1 ;;
    esac
done
echo "the image has all that the program needs: $needed"

cp -r fixtures "$work/fixtures"
port=$((20000 + $$ % 20000))
if [ "$(id -u)" = 0 ]; then as_user="setpriv --reuid=65532 --regid=65532 --clear-groups"; else as_user=; fi
variables=$(sed -n 's/^ENV //p' "$file" | sed "s/:8080/:$port/")
arguments=$(sed -n 's/^CMD \["\(.*\)"\]$/\1/p' "$file")
in_container() { (cd / && env -i $variables IMAGE_ORIGIN_SOURCE="$work/fixtures" $as_user "$program" "$@"); }

if in_container health 2>"$work/health"; then echo "the check of health must fail without a server" >&2; exit 1; fi
(cd / && exec env -i $variables IMAGE_ORIGIN_SOURCE="$work/fixtures" $as_user "$program" "$arguments") >"$work/out" 2>"$work/log" &
server=$!
tries=0
until in_container health 2>"$work/health"; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { cat "$work/health" "$work/log" >&2; exit 1; }
    sleep 0.2
done
python3 - "$port" <<'PYTHON'
import sys, urllib.request
with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/photo.jpg?w=100&format=png") as answer:
    body = answer.read()
    assert answer.status == 200 and answer.headers["content-type"] == "image/png" and body[:4] == b"\x89PNG", answer.headers
PYTHON
[ "$(id -u)" != 0 ] || [ "$(awk '/^Uid/ { print $2 }' "/proc/$server/status")" = 65532 ]
kill -TERM "$server"
wait "$server"
server=
echo "the container's program serves, is healthy, runs as nobody in particular, and stops when it is told"
