#!/bin/sh
# Checks and tests the page: `dashboard/test.sh`, in a checkout that is set up for development (setup.sh --dev).
#
#   style, types, unit tests, build, sizes --> tests of the built page in Chromium, with a stand-in machine behind it
#
# Where VIAM_SERVER names a viam-server, those in Chromium run through it too, direct and by WebRTC, which takes openssl.
# Where Node or Chromium is missing it says in one line what it leaves out; with ALL=1 that is a failure. CHROMIUM names a
# browser; without it chromium, chromium-browser and google-chrome are looked for.
set -eu

case ${VIAM_SERVER:=} in */*) VIAM_SERVER=$(realpath "$VIAM_SERVER") ;; esac
cd "${0%/*}"
left_out() {
    printf 'viam-billing dashboard: LEFT OUT: %s\n' "$*" >&2
    [ "${ALL:-}" = 1 ] && exit 1
    exit 0
}

status=0
said=$(./install.sh 2>&1) || status=$?
case $status in
0) ;;
3) left_out "all checks and tests of the page. ${said#viam-billing dashboard: }" ;;
*)
    printf '%s\n' "$said" >&2
    exit "$status"
    ;;
esac

npm run --silent lint &
lint=$!
npm run --silent check
npm run --silent test
wait "$lint"
npm run --silent build -- --logLevel warn
npm run --silent size

for name in ${CHROMIUM:-chromium chromium-browser google-chrome}; do
    CHROMIUM=$(command -v "$name") && break
    CHROMIUM=
done
[ -n "${CHROMIUM:-}" ] || left_out "the tests of the page in a browser. No Chromium is found (Debian: sudo apt install chromium); CHROMIUM names one."
export CHROMIUM
VIAM_SERVER='' npx --no-install vitest run --config browser/vitest.config.ts
[ -n "$VIAM_SERVER" ] || exit 0
export VIAM_SERVER
npx --no-install vitest run --config browser/vitest.config.ts
