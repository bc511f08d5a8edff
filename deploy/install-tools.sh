#!/usr/bin/env bash
# Installs what the tests check deploy/ and helm/ with into target/tools: the packages of tools.txt, and Prometheus with
# promtool from Debian's package, unpacked there and not installed. Does nothing, and needs no network, where all is there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=$here/../target/tools
wanted=$(cat "$here/tools.txt" "${BASH_SOURCE[0]}" | cksum)
if [ -e "$tools/done" ] && [ "$(cat "$tools/done")" = "$wanted" ]; then exit 0; fi

log=$(mktemp)
unpacking=$(mktemp -d)
trap 'rm -rf "$log" "$unpacking"' EXIT
quietly() {
    "$@" >"$log" 2>&1 && return 0
    cat "$log" >&2
    echo "rollcall: the tools of the tests are not installed: $1 failed, see above" >&2
    exit 1
}
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

echo "rollcall: installing the tools of the tests into target/tools" >&2
# Debian's own, so that the packages' builds fit. The collector is linked with it.
python=/usr/bin/python3
if ! "$python" -c 'import ensurepip, ctypes; ctypes.CDLL("libpython3.11.so.1.0")' 2>/dev/null; then
    quietly as_root apt-get -qq update
    quietly as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install --yes --no-install-recommends python3-venv libpython3.11
fi
# libFuzzer is C++.
if ! command -v c++ >/dev/null; then
    quietly as_root apt-get -qq update
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends g++
fi
rm -rf "$tools"
mkdir -p "$tools"
quietly "$python" -m venv "$tools"
quietly "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/tools.txt"
# Its package has the program, but no command.
ln -s "$(echo "$tools"/lib/python*/site-packages/rotel/rotel-agent)" "$tools/bin/rotel"
chmod +x "$tools/bin/rotel"

cd "$unpacking"
if ! apt-get -qq download prometheus >"$log" 2>&1; then
    quietly as_root apt-get -qq update
    quietly apt-get -qq download prometheus
fi
quietly dpkg-deb --extract prometheus_*.deb .
cp usr/bin/prometheus usr/bin/promtool "$tools/bin/"
echo "$wanted" >"$tools/done"
