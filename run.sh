#!/bin/sh
# Starts the module from a checkout; viam-server's executable_path points here. Sets up .venv if needed, then becomes the
# module: same process, same arguments, same working directory.
set -eu

self=$0
case $self in /*) ;; *) self=./$self ;; esac
while [ -h "$self" ]; do
    target=$(readlink "$self")
    case $target in
    /*) self=$target ;;
    *) self=${self%/*}/$target ;;
    esac
done
here=${self%/*}
umask go-w # Python writes __pycache__ beside the sources, and nobody else may write there

# [ -O / ] is true for root alone, which runs nothing that others could have changed: setup.sh says why.
ready() {
    [ -x "$here/.venv/bin/python" ] && cmp -s "$here/requirements/runtime.txt" "$here/.venv/runtime.txt" || return 1
    ! [ -O / ] || { . "$here/requirements/unsafe.sh" && [ -z "$(unsafe_path "$here")" ]; }
}

if ! ready; then
    # in the background, so that a signal is handled at once and ends the set-up too
    setup=
    stop() {
        trap '' TERM INT HUP
        if [ -n "$setup" ]; then
            kill "$setup" 2>/dev/null || :
            wait "$setup" 2>/dev/null || :
        fi
        exit "$1"
    }
    trap 'stop 143' TERM
    trap 'stop 130' INT
    trap 'stop 129' HUP
    "$here/setup.sh" &
    setup=$!
    wait "$setup"
    trap - TERM INT HUP
fi

# -I: nothing is imported from the working directory, PYTHONPATH or the user's site-packages; .venv knows where src is.
# -OO: without the libraries' docstrings, which take 2 MB of memory.
exec "$here/.venv/bin/python" -OO -I -m viam_billing "$@"
