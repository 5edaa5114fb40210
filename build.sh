#!/bin/sh
# Makes dist/archive.tar.gz, which Viam's registry takes: `build.sh`, with uv where there is one and without.
#
#   setup.sh --> an interpreter --> dashboard/dist/ (the page; needs Node)
#     --> build/venv, always new: the locked requirements and PyInstaller, nothing else
#     --> dist/viam-billing/ (the executable and its folder) --> archive --> check it --> start it once
#
# The archive gets its final name when all checks have passed. PYTHON names another interpreter than setup.sh found.
set -eu

say() { printf 'viam-billing build: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

[ $# = 0 ] || fail "usage: build.sh"
self=$0
case $self in /*) ;; *) self=./$self ;; esac
while [ -h "$self" ]; do
    target=$(readlink "$self")
    case $target in
    /*) self=$target ;;
    *) self=${self%/*}/$target ;;
    esac
done
here=$(CDPATH='' cd "${self%/*}/" && pwd -P)
cd "$here"

archive=dist/archive.tar.gz
./setup.sh       # first: it refuses root a checkout that others can change
rm -f "$archive" # a build that fails leaves none behind
. requirements/install.sh

# --- a repeatable build: the commit's time for the files in the archive ---

export PYTHONNOUSERSITE=1 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
export PYINSTALLER_CONFIG_DIR="$here/build/cache"
export PYINSTALLER_ZLIB_COMPRESSION_LEVEL=0 # the archive's own compression finds more in modules that are not
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) || SOURCE_DATE_EPOCH=
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}"

if [ "$(uname)" = Linux ]; then
    for tool in objcopy objdump strip; do
        command -v "$tool" >/dev/null || fail "the command $tool is missing." \
            "On Debian, Ubuntu and Raspberry Pi OS: sudo apt install binutils"
    done
fi

# --- an interpreter ---

python=$("${PYTHON:-.venv/bin/python}" -I -c '
import os, sys
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))') || fail "$PYTHON is no Python."

# --- one build at a time ---

mkdir -p build dist
lock_folder build "$python" 0

# --- the page ---

step dashboard/install.sh || fail "the archive has a page in it, which Node builds; see above."
say "building dashboard/dist"
(cd dashboard && step npm run --silent build -- --logLevel warn) || fail "the page could not be built; the lines above say why."

# --- a clean venv ---

make_build_venv() {
    make_venv build/venv "$python"
    install build/venv requirements/runtime.txt requirements/build.txt
}

# The executable loads Python as a shared library, which some Pythons come without.
has_library() {
    build/venv/bin/python -I -c '
from PyInstaller.depend.bindepend import get_python_library_path
raise SystemExit(not get_python_library_path())' >/dev/null 2>&1
}

version() { "$python" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

make_build_venv
if ! has_library && [ -n "$uv" ] && [ -z "${PYTHON:-}" ]; then
    say "$python has no shared library, asking uv for a Python that has one"
    wanted=$(version)
    step "$uv" --no-config python install --quiet "$wanted" &&
        python=$("$uv" --no-config python find --no-project --managed-python "$wanted") || :
    make_build_venv
fi
has_library || fail "$python comes without its shared library (libpython), which the archive needs." \
    "On Debian, Ubuntu and Raspberry Pi OS: sudo apt install libpython$(version);" \
    "with pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared; or name another: PYTHON=/path/to/python3 ./build.sh"

# --- the executable, the archive ---

rm -rf build/work dist/viam-billing
say "building dist/viam-billing"
build/venv/bin/python -I -m PyInstaller --log-level WARN --noconfirm --clean \
    --workpath build/work --distpath dist bundle/viam-billing.spec ||
    fail "PyInstaller failed; the lines above say why."

build/venv/bin/python -I bundle/pack_archive.py build/archive.tar.gz

# --- check the archive, and start it ---

build/venv/bin/python -I bundle/check_archive.py build/archive.tar.gz || fail "the archive is not fit for the registry; see above."
version=$(build/venv/bin/python -I -c '
import runpy
print(runpy.run_path("src/viam_billing/version.py")["VERSION"])')
say "starting the module out of the archive"
build/venv/bin/python -I bundle/smoke_run.py build/archive.tar.gz "$version" || fail "the archive was not made."

mv -f build/archive.tar.gz "$archive"
say "$archive: version $version, $(($(wc -c <"$archive") / 1000)) kB"
