# Fills virtual environments from the locked requirements; setup.sh and build.sh read this file with `.`.
#
# The locks alone decide what is installed: uv and pip read no setting of the caller, of a home folder or of a folder
# above, they take only wheels (building from source would run code that no hash covers), and nobody else can write the
# result. pip still reads the system's own pip.conf, which can name a mirror. The script that reads this file defines
# `say`, and `fail`, which ends it.

umask go-w
for name in $(env | sed -nE 's/^((UV_|PIP_|XDG_|PYTHON)[A-Za-z0-9_]+)=.*/\1/p'); do unset "$name"; done
if [ -O / ] && ! [ -O "${HOME:-/}" ]; then unset HOME; fi # root takes nothing from the cache of another user

uv=$(command -v uv) || uv=

# --- long steps run in the background, so that a signal ends them at once instead of waiting for them ---

child=
log= # where the output of the current step goes until it ends

stop() { # $1: the exit status
    trap '' TERM INT HUP
    if [ -n "$child" ]; then
        kill "$child" 2>/dev/null || :
        wait "$child" 2>/dev/null || :
    fi
    [ -z "$log" ] || cat "$log" >&2 2>/dev/null || :
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

# Takes the lock on a folder, or ends the script after a time. Descriptor 9 of this shell and of its steps holds it: no
# file is left behind, and the system releases it when the last of them is gone, however that happened. Whoever can
# read the folder can hold its lock, another user too, hence the time.
lock_folder() { # $1: the folder, $2: a Python, $3: seconds to wait
    exec 9<"$1"
    step "$2" -I -c '
import fcntl, sys, time
folder, wait_s = sys.argv[1], int(sys.argv[2])
deadline, told = time.monotonic() + wait_s, False
while True:
    try:
        fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
        break
    except BlockingIOError:
        if time.monotonic() >= deadline:
            sys.exit(f"viam-billing: another process still holds the lock on {folder} after {wait_s} s. If it is no set-up "
                     "or build that makes progress, find it (sudo lslocks, or sudo fuser -v on the folder), end it, "
                     "and start again.")
        if not told:
            print(f"viam-billing: another set-up or build holds the lock on {folder}, waiting up to {wait_s} s", flush=True)
            told = True
        time.sleep(0.1)
    except OSError as error:
        print(f"viam-billing: the file system of {folder} has no locks ({error}), going on without")
        break' "$1" "$3" || exit 1
}

make_venv() { # $1: where, $2: a Python
    say "making $1 with $2"
    rm -rf "$1"
    if [ -n "$uv" ]; then
        step "$uv" --no-config venv --quiet --no-project --python "$2" "$1"
    else
        step "$2" -I -m venv "$1"
    fi || fail "$2 could not make $1; the lines above say why."
}

install() { # $1: a virtual environment; then lock files
    venv=$1
    shift
    say "installing $*"
    for lock; do
        shift
        set -- "$@" -r "$lock"
    done
    set -- install --quiet --require-hashes --only-binary :all: "$@"
    log=$venv/install.log
    if [ -n "$uv" ]; then
        step "$uv" --no-config pip "$@" --python "$venv/bin/python" 2>"$log"
    else
        # an environment that uv made has no pip
        "$venv/bin/python" -I -c 'import pip' 2>/dev/null || step "$venv/bin/python" -I -m ensurepip >/dev/null
        step "$venv/bin/python" -I -m pip --isolated --disable-pip-version-check --no-input "$@" --no-compile --no-user 2>"$log"
    fi || install_failed
    cat "$log" >&2
    rm -f "$log"
    log=
    chmod -R go-w "$venv" # uv links files from its cache, whatever their mode
}

install_failed() {
    cat "$log" >&2
    # pip says the same of an index that it cannot reach, after it has tried again
    without_wheel=$(sed -nE \
        -e 's/^ERROR: No matching distribution found for ([^ ;]+).*/\1/p' \
        -e 's/.*Because ([^ ]+) has no (usable )?wheels.*/\1/p' "$log")
    if [ -n "$without_wheel" ] && ! grep -q Retrying "$log"; then
        fail "there is no wheel of $without_wheel for this system" \
            "($(uname -s) $(uname -m), $("$venv/bin/python" -I -V)), and building it from source would run code that no" \
            "hash covers. Use Python 3.10 to 3.14 on 64-bit Linux or macOS: PYTHON=/path/to/python3 names another one."
    fi
    fail "the locked packages could not be installed; the lines above say why. Start it again when that is mended."
}
