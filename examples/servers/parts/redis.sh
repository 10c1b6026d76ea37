# Redis: everything written is in its append-only file, so that a crash loses nothing that was answered.

redis_install() { need redis-server redis-server; }
redis_mark() { echo "$DIR/redis/redis.conf"; }
redis_stop_signal() { echo TERM; }
redis_start_again() { false; }

redis_prepare() {
    local port
    port=$(port redis main)
    mkdir -p "$DIR/redis/data"
    cat >"$DIR/redis/redis.conf" <<END
bind 127.0.0.1
port $port
dir $DIR/redis/data
appendonly yes
appendfsync everysec
save ""
daemonize no
# The command line is what its process is known by.
set-proc-title no
END
}

redis_launch() { launch redis redis-server "$(redis_mark)"; }

redis_answers() {
    local reply
    reply=$(ask "$(port redis main)" 'PING\r\n' 5)
    [ "$reply" = +PONG ]
}

redis_env() { echo "export PANDAFLOW_TEST_REDIS=redis://127.0.0.1:$(port redis main)/0"; }

# Sends BYTES (as printf writes them) to PORT and prints the first COUNT bytes of the reply, within 2 s.
ask() { # port bytes count
    timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "$2" >&3 && head -c "$3" <&3' ask "$@" 2>/dev/null
}
