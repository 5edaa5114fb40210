#!/bin/sh
# Makes build/forecast, with the packages whose series `make forecast` judges, and writes these series as CSV files.
set -eu

say() { printf 'viam-billing forecast: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

cd "${0%/*}/.."
venv=build/forecast
if ! cmp -s requirements/forecast.txt "$venv/forecast.txt"; then
    . requirements/install.sh
    mkdir -p build
    make_venv "$venv" "$(.venv/bin/python -I -c 'import os, sys
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))')"
    (install "$venv" requirements/forecast.txt requirements/forecast-others.txt) || {
        say "statsforecast cannot be installed here; going on without"
        install "$venv" requirements/forecast.txt
    }
    cp requirements/forecast.txt "$venv"
fi
rm -rf "$venv/series"
"$venv/bin/python" tests/forecast/public.py "$venv/series"
