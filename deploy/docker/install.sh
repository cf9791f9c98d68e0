#!/bin/sh
# What the image has beside the program: certificates of authorities, a user, and the folder that the user may write to.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates
rm -rf /var/lib/apt/lists/*
groupadd --gid 65532 seawall
useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin seawall
install -d -o 65532 -g 65532 -m 0700 /var/lib/seawall
install -d -m 0755 /etc/seawall /run/secrets
