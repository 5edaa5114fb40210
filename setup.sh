#!/bin/sh
# Makes .venv beside this file from the locked requirements: `setup.sh`; with `--demo` what the sandbox and the
# demonstration need, too; with `--dev` that and what tests and checks need.
#
#   no .venv, or not a finished one   -> a new one: runtime, and demo or dev if asked for or there before
#   requirements/runtime.txt changed  -> the same
#   demo or dev asked for, missing    -> added to what is there
#   the one asked for, lock changed   -> a new one
#   otherwise                         -> nothing, and no Python is started
#
# A set of requirements counts as installed when .venv holds a copy of its lock file, which is written last.
# PYTHON names the interpreter to use; without it the first one found that is new enough is taken. Progress goes to
# stdout and failures to stderr, because viam-server logs each line on stderr as an error.
set -eu

wait_s=240 # for another set-up of this folder; viam-server gives a start 5 minutes

trap '' PIPE # what is told may get lost: a stream that is closed, full or read by nobody stops no set-up
say() { printf 'viam-billing setup: %s\n' "$*" 2>/dev/null || :; }
fail() {
    say "$*" >&2
    exit 1
}

case $#$* in
0) extra= ;;
1--demo | 1--dev) extra=${1#--} ;;
*) fail "usage: setup.sh [--demo | --dev]" ;;
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

# --- may root run this? ---

. requirements/unsafe.sh

if [ -O / ]; then # this is root
    unsafe=$(unsafe_path "$here")
    if [ -n "$unsafe" ]; then
        # shellcheck disable=SC2012 # only the owner is read, and no standard tool prints it alone
        owner=$(ls -ld "$unsafe" | awk '{ print $3 }')
        case $owner in
        root) fault="others can write $unsafe" instead= ;;
        *) fault="$unsafe belongs to $owner" instead="; or run viam-server as $owner" ;;
        esac
        fail "root does not run the code in $here: $fault, and whoever can change it could become root." \
            "Keep the checkout in a folder that is root's all the way up, such as /opt, and give it to root:" \
            "sudo chown -R root: '$here' && sudo chmod -R go-w '$here'$instead."
    fi
fi

# --- is there anything to do? ---

installed() { # $1: runtime, demo or dev
    [ -x .venv/bin/python ] && cmp -s "requirements/$1.txt" ".venv/$1.txt"
}
complete() {
    installed runtime || return 1
    case $extra in
    '') ;;
    demo) installed demo || installed dev ;;
    dev) installed dev ;;
    esac
}

if complete; then exit 0; fi
command -v cmp >/dev/null || fail "the command cmp is missing; it comes with the package diffutils."

. requirements/install.sh

# --- an interpreter ---

# Prints the real file behind a Python that is new enough. The real file, because a link such as python3 can change its
# version under a finished .venv; when the file itself goes away, the next start notices and makes a new .venv. -I:
# nothing is imported from the working folder or PYTHONPATH.
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
        set -- python3 python3.14 python3.13 python3.12 python3.11 python3.10 /usr/local/bin/python3 /opt/homebrew/bin/python3
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
        step "$uv" --no-config python install 3.13 &&
            python=$("$uv" --no-config python find --no-project 3.13) && return 0
    fi
    fail "no Python 3.10 or newer found (tried: $tried). Install one, or name it: PYTHON=/path/to/python3 ./setup.sh"
}
find_python

# --- one set-up at a time ---

lock_folder "$here" "$python" "$wait_s"
if complete; then exit 0; fi

# --- install ---

mark_installed() { # a rename, so that a reader never sees half a copy
    cp "requirements/$1.txt" ".venv/$1.txt.new"
    mv -f ".venv/$1.txt.new" ".venv/$1.txt"
}

# What made .venv without uv is 40 MB that nothing here uses, but for the setuptools that dev locks; `install` brings pip
# back where it is needed again.
forget_pip() {
    rm -rf .venv/bin/pip* .venv/lib/*/site-packages/pip .venv/lib/*/site-packages/pip-*
    [ "$extra" = dev ] || rm -rf .venv/lib/*/site-packages/setuptools .venv/lib/*/site-packages/setuptools-* \
        .venv/lib/*/site-packages/pkg_resources .venv/lib/*/site-packages/_distutils_hack \
        .venv/lib/*/site-packages/distutils-precedence.pth
}

# pip takes a package that was being unpacked when it was killed for an installed one, so an unfinished .venv is not
# continued but made again. While demo or dev is being added, the runtime part stays good: the locks agree on it.
if [ ! -e .venv/unfinished ] && installed runtime && [ ! -e ".venv/$extra.txt" ] && [ ! -e .venv/dev.txt ]; then
    : >.venv/unfinished
    install .venv "requirements/$extra.txt"
    forget_pip
else
    if [ -e .venv/dev.txt ]; then extra=dev; elif [ -e .venv/demo.txt ]; then extra=${extra:-demo}; fi
    rm -f .venv/runtime.txt .venv/demo.txt .venv/dev.txt
    make_venv .venv "$python"
    : >.venv/unfinished
    install .venv "requirements/${extra:-runtime}.txt" # those of demo and dev hold all of runtime
    forget_pip
    # src by its place relative to site-packages: the folder may be moved or copied
    for site in .venv/lib/*/site-packages; do
        printf '%s\n' ../../../../src >"$site/viam_billing.pth"
    done
    # as run.sh starts it, for a fast first start, which demonstration and tests do not need; not every system has what compiling in parallel needs
    if [ -z "$extra" ]; then
        step .venv/bin/python -OO -I -m compileall -q -j 0 .venv/lib src/viam_billing 2>/dev/null ||
            step .venv/bin/python -OO -I -m compileall -q .venv/lib src/viam_billing || :
    fi
    mark_installed runtime
fi
if [ "$extra" = dev ]; then
    # the command line of the checkout, by its place beside this Python: the folder may be moved or copied
    printf '%s\n' '#!/bin/sh' 'exec "${0%/*}/python" -I -m viam_billing_client.cli "$@"' >.venv/bin/viam-billing
    chmod +x .venv/bin/viam-billing
fi
if [ -n "$extra" ]; then mark_installed "$extra"; fi
rm -f .venv/unfinished
say "done"
