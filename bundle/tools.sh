#!/bin/sh
# Makes build/tools, the maintainers' tools of requirements/tools.txt, unless it is there: uv, pip-audit, CycloneDX.
set -eu

say() { printf 'viam-billing tools: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

cd "${0%/*}/.."
if cmp -s requirements/tools.txt build/tools/tools.txt; then exit 0; fi
. requirements/install.sh
mkdir -p build
make_venv build/tools "$(.venv/bin/python -I -c 'import os, sys
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))')"
install build/tools requirements/tools.txt
cp requirements/tools.txt build/tools
