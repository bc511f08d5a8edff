#!/usr/bin/env bash
# Installs what Rollcall runs on and the machine lacks: PostgreSQL and nats-server. Does nothing, and needs no network,
# where all is there.
set -euo pipefail

missing=()

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

have_postgres() {
    local initdb
    for initdb in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb; do
        if [ -x "$initdb" ] && [ -x "$(dirname "$initdb")/psql" ]; then return 0; fi
    done
    return 1
}

fail() {
    echo "rollcall: ${missing[*]} missing and not installed: $1" >&2
    exit 1
}

have_postgres || missing+=(postgresql)
have nats-server || missing+=(nats-server)
if [ "${#missing[@]}" -eq 0 ]; then exit 0; fi

have apt-get || fail "this is not Debian or Ubuntu; install them by hand"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    have sudo || fail "run as root, or install sudo"
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 && return 0
    cat "$log" >&2
    fail "apt-get $1 failed, see above"
}

echo "rollcall: installing ${missing[*]} with apt-get" >&2
# Debian's package would make and start a cluster of its own, which nobody here needs.
if [[ " ${missing[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    "${as_root[@]}" mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' |
        "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
apt update
apt install --yes --no-install-recommends "${missing[@]}"
# We run a broker of our own; the package's would sit on the usual port from now on.
if [[ " ${missing[*]} " == *" nats-server "* ]] && [ -d /run/systemd/system ]; then
    "${as_root[@]}" systemctl disable --now --quiet nats-server
fi
