#!/bin/sh
# Makes .venv beside this file from the locked requirements: `setup.sh`, or `setup.sh --dev` for tests and checks too.
#
#   no .venv, or not a finished one  -> a new one: runtime, and dev if asked for or there before
#   requirements/runtime.txt changed -> the same
#   dev asked for, missing           -> added to what is there
#   dev asked for, lock changed      -> a new one
#   otherwise                        -> nothing, and no Python is started
#
# A set of requirements counts as installed when .venv holds a copy of its lock file, which is written last.
# PYTHON names the interpreter to use; without it the first one found that is new enough is taken.
set -eu
exec 1>&2 # what a set-up says is no output of the module

say() { printf 'viam-billing setup: %s\n' "$*"; }
fail() {
    say "$*"
    exit 1
}

case $# in
0) dev=no ;;
*)
    [ "$#" = 1 ] && [ "$1" = --dev ] || fail "usage: setup.sh [--dev]"
    dev=yes
    ;;
esac

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

# --- is there anything to do? ---

installed() { # $1: runtime or dev
    [ -x .venv/bin/python ] && cmp -s "requirements/$1.txt" ".venv/$1.txt"
}
complete() { installed runtime && { [ "$dev" = no ] || installed dev; }; }

if complete; then exit 0; fi
command -v cmp >/dev/null || fail "the command cmp is missing; it comes with the package diffutils."

# --- a step that a signal ends: the shell itself would wait for pip, or leave it behind ---

child=
stop() {
    trap '' TERM INT HUP
    if [ -n "$child" ]; then
        kill "$child" 2>/dev/null || :
        wait "$child" 2>/dev/null || :
    fi
    exit "$1"
}
trap 'stop 143' TERM
trap 'stop 130' INT
trap 'stop 129' HUP

step() {
    "$@" &
    child=$!
    status=0
    wait "$child" || status=$?
    child=
    return "$status"
}

# --- an interpreter ---

uv=$(command -v uv) || uv=

# Prints the real file behind a Python that is new enough. The real file, because a link such as python3 can change its
# version under a finished .venv; the file goes away instead, which is noticed and mended. -I: nothing is imported
# from the working folder or PYTHONPATH.
real_python() {
    "$1" -I -c '
import os, sys
if sys.version_info < (3, 10):
    sys.exit(1)
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3 python3.13 python3.12 python3.11 python3.10 /usr/local/bin/python3 /opt/homebrew/bin/python3
    fi
    tried=$*
    without_venv=
    for name; do
        command -v "$name" >/dev/null || continue
        python=$(real_python "$name") || continue
        if [ -n "$uv" ] || "$python" -I -c 'import ensurepip, venv' 2>/dev/null; then return 0; fi
        without_venv=${without_venv:-$python}
    done
    if [ -n "$without_venv" ]; then
        version=$("$without_venv" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        fail "$without_venv cannot make virtual environments: its modules venv and ensurepip are missing." \
            "On Debian, Ubuntu and Raspberry Pi OS: sudo apt install python$version-venv"
    fi
    if [ -n "$uv" ] && [ -z "${PYTHON:-}" ]; then
        say "no Python 3.10 or newer found, asking uv for one"
        step "$uv" python install 3.13 && python=$("$uv" python find 3.13) && return 0
    fi
    fail "no Python 3.10 or newer found (tried: $tried). Install one, or name it: PYTHON=/path/to/python3 ./setup.sh"
}
find_python

# --- one set-up at a time ---

# The lock is on this folder itself, held by descriptor 9 of this shell and of the steps it starts: it leaves no file
# behind, and the system gives it back when the last of them is gone, however that happened.
exec 9<"$here"
step "$python" -I -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("viam-billing setup: another set-up of this folder is under way, waiting for it", flush=True)
    fcntl.flock(9, fcntl.LOCK_EX)
except OSError as error:
    print("viam-billing setup: this file system has no locks (%s), going on without" % error)'

if complete; then exit 0; fi

# --- install ---

install() { # $1: runtime or dev
    say "installing requirements/$1.txt"
    if [ -n "$uv" ]; then
        step "$uv" pip install --quiet --python .venv/bin/python --require-hashes -r "requirements/$1.txt"
    else
        # a .venv that uv made has no pip
        .venv/bin/python -I -c 'import pip' 2>/dev/null || step .venv/bin/python -I -m ensurepip
        step .venv/bin/python -I -m pip install --quiet --disable-pip-version-check --no-input --no-user \
            --require-hashes -r "requirements/$1.txt"
    fi || fail "the packages of requirements/$1.txt could not be installed; the lines above say why." \
        "Run setup.sh again when that is mended."
}

mark_installed() { # a rename, so that a reader never sees half a copy
    cp "requirements/$1.txt" ".venv/$1.txt.new"
    mv -f ".venv/$1.txt.new" ".venv/$1.txt"
}

# pip takes a package that was being unpacked when it was killed for an installed one, so what was not finished is
# not continued but made anew. While dev is being added, the runtime part stays good: the locks agree on it.
if [ ! -e .venv/unfinished ] && installed runtime && [ ! -e .venv/dev.txt ]; then
    : >.venv/unfinished
else
    if [ -e .venv/dev.txt ]; then dev=yes; fi
    say "making $here/.venv with $python"
    rm -f .venv/runtime.txt .venv/dev.txt
    rm -rf .venv
    if [ -n "$uv" ]; then
        step "$uv" venv --quiet --no-project --python "$python" .venv
    else
        step "$python" -I -m venv .venv
    fi || fail "$python could not make $here/.venv; the lines above say why."
    : >.venv/unfinished
    install runtime
    # src by its place relative to site-packages: the folder may be moved or copied
    for site in .venv/lib/*/site-packages; do
        printf '%s\n' ../../../../src >"$site/viam_billing.pth"
    done
    mark_installed runtime
fi
if [ "$dev" = yes ]; then
    install dev
    mark_installed dev
fi
rm -f .venv/unfinished
say "done"
