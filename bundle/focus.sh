#!/bin/sh
# Validates build/focus.csv, which tests/focus/write.py writes, with the FinOps foundation's validator for FOCUS 1.0.
#
# The validator needs old versions of numpy, pandas and multimethod, so it has build/focus for itself, with a Python from
# 3.10 to 3.12. It comes as source only: its hash is locked, what builds it is not, and none of it is ever shipped.
set -eu

say() { printf 'viam-billing focus: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

cd "${0%/*}/.."
root=$(pwd -P)
venv=build/focus
if ! cmp -s requirements/focus.txt "$venv/focus.txt"; then
    . requirements/install.sh
    mkdir -p build
    make_venv "$venv" "$(.venv/bin/python -I -c 'import os, sys
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))')"
    "$venv/bin/python" -I -c 'import pip' 2>/dev/null || step "$venv/bin/python" -I -m ensurepip
    step "$venv/bin/python" -I -m pip --isolated --disable-pip-version-check --no-input install --quiet \
        --require-hashes -r requirements/focus.txt || fail "the validator could not be installed; the lines above say why."
    cp requirements/focus.txt "$venv"
fi
PYTHONPATH=tests .venv/bin/python tests/focus/write.py build/focus.csv
cd "$venv"/lib/*/site-packages # it looks for its list of currencies in the current folder
verdict=$("$root/$venv/bin/focus-validator" --data-file "$root/build/focus.csv" --validate-version 1.0)
printf '%s\n' "$verdict"
case $verdict in *"Validation succeeded."*) ;; *) fail "the validator has found faults." ;; esac # it ends with 0 whatever it finds
