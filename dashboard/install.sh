#!/bin/sh
# Installs the page's locked packages into dashboard/node_modules: `dashboard/install.sh`; nothing where they are there.
#
# A set counts as installed when node_modules holds a copy of the lock, which is written last. The lock has a digest of
# every package, and no package's own scripts are run. Where Node is missing or too old it says so and ends with 3.
set -eu

cd "${0%/*}"
say() { printf 'viam-billing dashboard: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 3
}

found=$(node --version 2>/dev/null) || fail "Node is missing; the page needs Node 20.19 or newer, with npm." \
    "Debian 13 and newer: sudo apt install nodejs npm; elsewhere: https://nodejs.org"
major=${found#v}
minor=${major#*.}
major=${major%%.*}
minor=${minor%%.*}
[ "$major" -gt 20 ] || { [ "$major" = 20 ] && [ "$minor" -ge 19 ]; } ||
    fail "Node $found is too old; the page needs Node 20.19 or newer, and Debian 12 has 18: https://nodejs.org"
command -v npm >/dev/null || fail "the command npm is missing, which comes with Node or as a package of its own:" \
    "sudo apt install npm"

if cmp -s package-lock.json node_modules/installed.json; then exit 0; fi
say "installing dashboard/package-lock.json"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || {
    say "the page's packages could not be installed; the lines above say why." >&2
    exit 1
}
cp package-lock.json node_modules/installed.json.new
mv -f node_modules/installed.json.new node_modules/installed.json
