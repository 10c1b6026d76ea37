# What the servers need on the machine: Debian's packages by apt-get if this is root, else a word on what to do.

APT_UPDATED=no

# Sees that PROGRAM is there, by installing PACKAGE if it is not.
need() { # program package
    local log=$DIR/install.log
    found "$1" && return
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "$1 is missing. It is in Debian's package $2: apt-get install $2, as root"
    fi
    say "installing $2"
    export DEBIAN_FRONTEND=noninteractive
    if [ $APT_UPDATED = no ]; then
        apt-get -q update >"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "apt-get update failed; $1 (package $2) is missing"; }
        APT_UPDATED=yes
    fi
    apt-get -q -y --no-install-recommends install "$2" >"$log" 2>&1 ||
        { tail -n 10 "$log" >&2; fail "apt-get could not install $2, which $1 is in; see $log"; }
    found "$1" || fail "$2 is installed, but $1 is not to be found"
}

found() { # program
    case $1 in
        initdb) postgres_bin >/dev/null ;;
        venv) python3 -c 'import ensurepip' 2>/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

install_missing() { # server...
    local server
    for server in "$@"; do "${server}_install"; done
}
