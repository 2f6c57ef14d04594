#!/usr/bin/env bash
# Installs the servers that `make test-cluster` starts, where Debian's packages have them and they
# are not there yet. The tests run them on private folders and ports; nothing is left running.
set -euo pipefail

missing=()
command -v nats-server > /dev/null || missing+=(nats-server)
compgen -G "/usr/lib/postgresql/*/bin/initdb" > /dev/null || command -v initdb > /dev/null \
    || missing+=(postgresql)
((${#missing[@]})) || exit 0

if ! command -v apt-get > /dev/null || ((EUID != 0)); then
    echo "Install these first, or run this as root on Debian: ${missing[*]}" >&2
    exit 1
fi
echo "Installing ${missing[*]} ..."
export DEBIAN_FRONTEND=noninteractive
# Debian makes and starts a server of its own otherwise.
mkdir -p /etc/postgresql-common
[[ -e /etc/postgresql-common/createcluster.conf ]] \
    || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
apt-get update -qq
apt-get install -qq -y --no-install-recommends "${missing[@]}" > /dev/null
