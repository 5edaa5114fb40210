#!/bin/sh
# Makes the distribution `viam-billing`, wheel and sdist, which callers install with pip: `bundle/dist.sh FOLDER`.
#
# It is built from a copy of what belongs to it, by the locked tools of .venv: setuptools leaves files where it builds.
set -eu

[ $# = 1 ] || {
    echo "usage: bundle/dist.sh FOLDER" >&2
    exit 2
}
mkdir -p "$1"
to=$(CDPATH='' cd "$1" && pwd -P)
cd "${0%/*}/.."
umask 022
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) || SOURCE_DATE_EPOCH=
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}" # of the files in it, so that two builds of a commit are equal

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/src"
for file in pyproject.toml README.md LICENSE*; do
    [ ! -e "$file" ] || cp "$file" "$copy"
done
cp -R src/viam_billing src/viam_billing_client "$copy/src"
find "$copy" -name __pycache__ -type d -prune -exec rm -rf {} +
.venv/bin/python -I -m build --no-isolation --outdir "$to" "$copy"
