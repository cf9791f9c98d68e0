#!/bin/sh
# The program, as it is released: `FOLDER/seawall`, and the notices of what others wrote and is in it: `FOLDER/THIRD-PARTY.txt`.
#
#   deploy/docker/build.sh FOLDER
#
# SEAWALL_BUILT names one that is built already, which is then taken as it is. Needs python3, which the image of Rust has.
set -eu
cd "$(dirname "$0")/../.."
if [ -z "${SEAWALL_BUILT:-}" ]; then
    cargo build --release --locked -p seawall-gateway
    SEAWALL_BUILT=${CARGO_TARGET_DIR:-target}/release/seawall
fi
install -D -m 0755 "$SEAWALL_BUILT" "$1/seawall"
packages/notices/write "$1/THIRD-PARTY.txt"
