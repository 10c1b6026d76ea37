# Processes: started away from the terminal, known by a pid file, never signalled before their command was looked at.

# Prints the process id of SERVER if it runs. A pid that is some other process's by now does not count.
running_pid() { # server
    local pid
    pid=$(cat "$DIR/$1/pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
    [ -r "/proc/$pid/cmdline" ] || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$("${1}_mark") " || return 1
    # One that has ended and waits for its parent is not running.
    [ "$(process_state "$pid")" != Z ] || return 1
    echo "$pid"
}

process_state() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
is_paused() { [ "$(process_state "$1")" = T ]; }

# The process and its children: PostgreSQL is a process per connection.
family() { # pid
    local stat line
    echo "$1"
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        # pid (name, which may hold anything) state parent ...
        [[ ${line##*) } =~ ^.\ $1\  ]] && echo "${line%% *}"
    done
    return 0
}

# Starts COMMAND as SERVER. In a session of its own, so that Ctrl-C in a terminal does not reach it.
launch() { # server command...
    local server=$1 log=$DIR/$1/log
    shift
    [ ! -f "$log" ] || mv -f -- "$log" "$log.before"
    setsid "$@" >"$log" 2>&1 </dev/null 9>&- &
    echo $! >"$DIR/$server/pid"
    disown
}

start_all() { # server...
    local server started=()
    for server in "$@"; do
        if running_pid "$server" >/dev/null; then
            resume_server "$server"
        else
            check_ports "$server"
            "${server}_prepare"
            "${server}_launch"
        fi
        started+=("$server")
    done
    for server in "${started[@]}"; do await_answer "$server"; done
}

# A broker of thousands of topics, killed and started on a busy machine, takes its time.
PATIENCE=180

# Waits until SERVER answers. PostgreSQL after a crash may refuse to start as long as a child of the one before lives: that is tried again.
await_answer() { # server
    local server=$1 deadline=$((SECONDS + PATIENCE)) again=40
    until "${server}_answers"; do
        if ! running_pid "$server" >/dev/null; then
            if [ $again -gt 0 ] && "${server}_start_again"; then
                again=$((again - 1))
                sleep 0.25
                "${server}_launch"
                continue
            fi
            tail -n 20 -- "$DIR/$server/log" >&2
            fail "$server ended at its start; its log is $DIR/$server/log"
        fi
        if [ $SECONDS -ge $deadline ]; then
            tail -n 20 -- "$DIR/$server/log" >&2
            fail "$server does not answer $PATIENCE s after its start; its log is $DIR/$server/log"
        fi
        sleep 0.1
    done
    say "$server answers (pid $(running_pid "$server"))"
}

# Ends SERVER in order; after 30 s at once.
stop_server() { # server
    local pid
    if pid=$(running_pid "$1"); then
        family "$pid" | xargs -r kill -CONT 2>/dev/null || true
        kill "-$("${1}_stop_signal")" "$pid"
        if ! await_end "$1" 30; then
            say "$1 did not stop within 30 s and is killed"
            kill_server "$1"
        fi
        say "$1 is stopped"
    fi
    rm -f -- "$DIR/$1/pid"
}

# Ends SERVER as a crash would. Held still first, so that it starts no child meanwhile.
kill_server() { # server
    local pid
    pid=$(running_pid "$1") || fail "$1 does not run"
    kill -STOP "$pid"
    family "$pid" | xargs -r kill -KILL 2>/dev/null || true
    await_end "$1" 30 || fail "$1 (pid $pid) is still there 30 s after SIGKILL"
    rm -f -- "$DIR/$1/pid"
}

await_end() { # server seconds
    local deadline=$((SECONDS + $2))
    while running_pid "$1" >/dev/null; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

pause_server() { # server
    local pid
    pid=$(running_pid "$1") || fail "$1 does not run"
    kill -STOP "$pid"
    family "$pid" | xargs -r kill -STOP 2>/dev/null || true
}

resume_server() { # server
    local pid
    pid=$(running_pid "$1") || fail "$1 does not run"
    family "$pid" | xargs -r kill -CONT 2>/dev/null || true
}
