#!/bin/sh
# Fails if a program needs a newer glibc than the 2.34 of Lambda's provided.al2023.
#
#   infra/lambda/check-glibc.sh PROGRAM
set -eu
needed=$(grep -ao 'GLIBC_2\.[0-9][0-9]*' "$1" | sort -uV | tail -1)
newest=$(printf '%s\nGLIBC_2.34\n' "$needed" | sort -V | tail -1)
if [ "$newest" != GLIBC_2.34 ]; then
    echo "$1 needs $needed, and provided.al2023 has GLIBC_2.34: build with cargo-zigbuild (infra/lambda/package.sh)" >&2
    exit 1
fi
echo "$1 needs ${needed:-no glibc}"
