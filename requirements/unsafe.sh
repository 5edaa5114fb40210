# Whether root may run a checkout; run.sh and setup.sh read this file with `.`.

# Prints a file or folder of the checkout $1 through which somebody else could have root run code: one that belongs to
# neither root nor the user whose sudo this is (who is trusted with root already), or that others than these can write.
# The folders above count, because their owners can put another checkout in this one's place.
unsafe_path() (
    cd "$1" || exit
    folder=$(pwd -P)
    set -- .venv .venv/bin .venv/lib .venv/lib/python*/site-packages
    while [ -n "$folder" ]; do
        set -- "$folder" "$@"
        folder=${folder%/*}
    done
    foreign="! -user 0 ${SUDO_UID:+! -user $SUDO_UID}"
    writable="-perm -002 -o -perm -020 ! -group 0 ${SUDO_GID:+! -group $SUDO_GID}"
    { # what is sticky, as /tmp, lets nobody replace what others own
        # shellcheck disable=SC2086 # each is several words
        find "$@" -prune \( $foreign -o ! -type l ! -perm -1000 \( $writable \) \) || :
        # shellcheck disable=SC2086 # as above
        find run.sh setup.sh build.sh requirements bundle src \( $foreign -o ! -type l \( $writable \) \) || :
    } 2>/dev/null | head -n 1
)
