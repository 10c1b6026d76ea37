# The state folder: a subfolder per server with its data, log, ports and process id, and one command at a time on it.

say() { printf 'servers: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# Makes DIR absolute and waits for another `servers` command on it to end. The lock is on descriptor 9.
open_state() {
    case $command in
        up | start | python) mkdir -p "$DIR" ;;
        *) [ -d "$DIR" ] || { [ "$command" = down ] && exit 0; fail "nothing was ever started in $DIR; servers up starts them"; } ;;
    esac
    DIR=$(cd "$DIR" && pwd)
    exec 9>"$DIR/lock"
    flock -w 300 9 || fail "another servers command has been at work on $DIR for 5 minutes"
}

# Deletes what the servers stored, and their ports: the next start is a first one. The jars of Kafka stay.
wipe_data() {
    local server elsewhere
    elsewhere=$(postgres_data)
    case $elsewhere in
        "$DIR"/*) ;;
        *) rm -rf -- "$(dirname "$elsewhere")" ;;
    esac
    for server in "${ALL[@]}"; do
        rm -rf -- "${DIR:?}/$server/data"
        rm -f -- "$DIR/$server"/{log,log.before,pid,server.properties,redis.conf,password,elsewhere} "$DIR/$server"/port{,.*}
    done
    rm -rf -- "$DIR/kafka/certificates"
}

# Prints the port NAME of SERVER: the one that was picked once, or a free one that is picked now.
port() { # server name
    local file=$DIR/$1/port.$2 chosen tries
    if [ ! -s "$file" ]; then
        for tries in {1..200}; do
            # Below the range from which the system takes ports for connections that go out.
            chosen=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
            grep -qsx "$chosen" "$DIR"/*/port.* || port_taken "$chosen" || break
            [ "$tries" -lt 200 ] || fail "found no free port between 20000 and 32000 on 127.0.0.1"
        done
        mkdir -p "$DIR/$1"
        echo "$chosen" >"$file"
    fi
    cat "$file"
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Ports that somebody else took while SERVER was down are picked anew if WHAT is `up`, which prints the addresses.
check_ports() { # server
    local file tries
    for file in "$DIR/$1"/port.*; do
        [ -s "$file" ] || continue
        # One that was just killed may hold its port for a moment longer than it can be seen.
        for tries in {1..20}; do
            port_taken "$(cat "$file")" || continue 2
            sleep 0.1
        done
        [ "$command" = up ] || fail "$1 can't start: another process has taken its port $(cat "$file"); servers up picks a new one"
        say "$1: another process has taken port $(cat "$file"); picking a new one"
        rm -f -- "$file"
    done
}

print_env() {
    local server some=no
    for server in "${ALL[@]}"; do
        ls "$DIR/$server"/port.* >/dev/null 2>&1 || continue
        "${server}_env"
        some=yes
    done
    [ $some = yes ] || fail "nothing was ever started in $DIR; servers up starts them"
}

print_status() {
    local server pid state code=0
    for server in "${ALL[@]}"; do
        if ! pid=$(running_pid "$server"); then state=stopped; pid=-
        elif is_paused "$pid"; then state=paused
        elif "${server}_answers"; then state=answers
        else state="does not answer"; fi
        [ "$state" = answers ] || code=1
        printf '%-8s %-15s pid %-8s %s\n' "$server" "$state" "$pid" "$DIR/$server/log"
    done
    exit $code
}
