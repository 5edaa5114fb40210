#!/bin/sh
# Runs on arm64 what robots run, in a copy of the checkout: set-up and demonstration, the core of the integration tests,
# the archive. Natively on an arm64 machine; elsewhere in a container that qemu-user emulates, some ten times slower.
set -eu

say() { printf 'viam-billing arm64: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

image=${ARM64_IMAGE:-python:3.13-trixie} # whose Debian has a Node that is new enough for the page
core="test_process test_usage test_invoices test_invoice_pdf test_charges test_charges_disk test_cache_disk test_outage"

cd "${0%/*}/.."
if [ "${1:-}" != --here ]; then
    rm -rf build/arm64
    mkdir -p build/arm64
    git ls-files -z | tar --null -cf - -T - | tar -xf - -C build/arm64
    case $(uname -m) in
    aarch64 | arm64) exec build/arm64/bundle/arm64.sh --here ;;
    esac
    command -v docker >/dev/null || fail "this machine is $(uname -m), and docker, which would emulate arm64, is missing."
    docker run --rm --platform linux/arm64 "$image" true ||
        fail "docker cannot run arm64 here; on Debian and Ubuntu: sudo apt install qemu-user-static binfmt-support"
    exec docker run --rm --platform linux/arm64 --volume "$PWD/build/arm64:/checkout" "$image" sh -c \
        "apt-get update -qq && apt-get install -qq --no-install-recommends nodejs npm && exec /checkout/bundle/arm64.sh --here"
fi

say "set-up and demonstration"
./setup.sh --demo
.venv/bin/python -m viam_billing_sandbox.demo --direct </dev/null
say "the core of the integration tests"
./setup.sh --dev
set --
for name in $core; do set -- "$@" "tests/integration/$name.py"; done
.venv/bin/python -m pytest -q -p no:cacheprovider -n auto --dist loadfile --timeout 1200 "$@"
say "the archive"
./build.sh
say "done"
