# PostgreSQL, as a user that is not root, since it refuses to run as root.

POSTGRES_USER=pandaflow
POSTGRES_PASSWORD=pandaflow-test

postgres_install() { need initdb postgresql; }
postgres_mark() { echo "-D $(postgres_data)"; }
# Fast shutdown: connections are ended, not waited for.
postgres_stop_signal() { echo INT; }
postgres_start_again() { grep -qE "pre-existing shared memory block|lock file .* already exists" "$DIR/postgres/log"; }

# Debian keeps each version's programs in a folder of its own, away from PATH.
postgres_bin() {
    local bin
    for bin in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
        [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] && echo "$bin" && return
    done
    bin=$(command -v initdb) && dirname "$(readlink -f "$bin")"
}

# Runs a command as the user that the server runs as.
as_postgres() {
    if [ "$(id -u)" -ne 0 ]; then "$@"; else setpriv --reuid postgres --regid postgres --init-groups -- "$@"; fi
}

# The data folder. It lies elsewhere if the user postgres may not enter the state folder, as below a home folder.
postgres_data() { cat "$DIR/postgres/elsewhere" 2>/dev/null || echo "$DIR/postgres/data"; }

postgres_prepare() {
    local bin data password log=$DIR/postgres/initdb.log
    bin=$(postgres_bin)
    port postgres main >/dev/null
    if [ "$(id -u)" -eq 0 ] && ! id postgres >/dev/null 2>&1; then
        fail "PostgreSQL does not run as root, and there is no user postgres to run it as; Debian's package postgresql makes one"
    fi
    # `elsewhere` may be gone with the machine's temporary files.
    [ -s "$(postgres_data)/PG_VERSION" ] || rm -f -- "$DIR/postgres/elsewhere"
    data=$(postgres_data)
    [ ! -s "$data/ready" ] || return 0

    if ! as_postgres test -x "$DIR/postgres"; then
        data=$(as_postgres mktemp -d /var/tmp/pandaflow-postgres.XXXXXX)/data
        say "postgres may not enter $DIR; its data lies in $data"
        echo "$data" >"$DIR/postgres/elsewhere"
    fi
    rm -rf -- "$data"
    mkdir -p "$data"
    password=$(dirname "$data")/password
    echo "$POSTGRES_PASSWORD" >"$password"
    [ "$(id -u)" -ne 0 ] || chown postgres: "$data" "$password"
    chmod 700 "$data"
    # In the root folder, where every user may be.
    (
        cd /
        as_postgres "$bin/initdb" -D "$data" -U "$POSTGRES_USER" --pwfile="$password" \
            --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-instructions &&
            echo "CREATE DATABASE pandaflow" | as_postgres "$bin/postgres" --single -D "$data" postgres &&
            as_postgres sh -c 'echo yes >"$1"' sh "$data/ready"
    ) >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "PostgreSQL's data folder could not be made; see $log"; }
}

postgres_launch() {
    local as=()
    [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid postgres --regid postgres --init-groups --)
    launch postgres "${as[@]}" "$(postgres_bin)/postgres" -D "$(postgres_data)" \
        -c listen_addresses=127.0.0.1 -c port="$(port postgres main)" -c unix_socket_directories= \
        -c shared_buffers=64MB -c max_connections=200 -c fsync=on
}

postgres_answers() { "$(postgres_bin)/pg_isready" -q -t 2 -h 127.0.0.1 -p "$(port postgres main)" -U "$POSTGRES_USER" -d pandaflow; }

postgres_env() {
    echo "export PANDAFLOW_TEST_POSTGRES=postgres://$POSTGRES_USER:$POSTGRES_PASSWORD@127.0.0.1:$(port postgres main)/pandaflow"
}
