# Folders, ports and processes of the test servers. Sourced by tests/servers.
# shellcheck shell=bash

fail() {
    echo "tests/servers: $*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" = 0 ]; }

[ -r /proc/self/stat ] || fail "it needs Linux's /proc"

# What a client of Postgres takes from the environment is about somebody's own servers.
for name in "${!PG@}"; do unset "$name"; done
export LC_ALL=C

cache=${FOREBAY_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/forebay-tests}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)

# One a checkout and a user, so that neither disturbs another. Below /tmp rather than home: root's Postgres runs as
# somebody who may not enter root's home.
run=${FOREBAY_TEST_RUN:-${TMPDIR:-/tmp}/forebay-tests-$(id -u)-$(printf '%s' "${here:?}" | cksum | cut -d ' ' -f 1)}
mkdir -p "$run"
if [ ! -O "$run" ] || [ -L "$run" ]; then fail "$run belongs to somebody else: set FOREBAY_TEST_RUN"; fi
run=$(cd "$run" && pwd -P)
chmod 755 "$run"

# Two of `up` and `down` at the same time would undo each other's work.
lock() {
    exec 9>"$run/lock"
    if have flock; then flock 9; fi
}

# Notes why the server of the folder `$subject` cannot be had.
missing() {
    printf '%s\n' "$1" >"${subject:?}/missing"
    return 1
}

# The last line of a file that says something.
last_line() {
    grep -v '^[[:space:]]*$' "$1" 2>/dev/null | tail -n 1 | cut -c 1-300 || true
}

# The last thing that a server, or the member of it that spoke last, said in its log.
last_words() {
    local log newest=$1/log
    for log in "$1"/*/log; do
        if [ "$log" -nt "$newest" ]; then newest=$log; fi
    done
    last_line "$newest"
}

# `free_ports COUNT [RANGE [OFFSET]]`: ports of loopback that nobody listens on, from the first RANGE of those that are for
# tests, and where OFFSET is given, nobody at the ports that much above either. All are below those that the system hands
# out to clients: a client that tries to reach a server that was killed must not be given the server's port and meet itself.
free_ports() {
    local port ports=()
    while [ ${#ports[@]} -lt "$1" ]; do
        port=$((20000 + RANDOM % ${2:-10000}))
        if port_answers "$port" || port_answers $((port + ${3:-0})); then continue; fi
        case " ${ports[*]} " in
            *" $port "*) ;;
            *) ports+=("$port") ;;
        esac
    done
    echo "${ports[*]}"
}

port_answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# When a process was started, in ticks since the machine was: with its number, this tells it from all others. Fails when it
# has ended, reaped or not.
started_at() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # What follows the program's name, which may hold anything: the state is first, the time of start is the 20th.
    read -ra stat <<<"${stat##*) }"
    [ "${stat[0]}" != Z ] || return 1
    echo "${stat[19]}"
}

# `launch DIR SIGNAL COMMAND…` starts a program that outlives this script, and notes which process it is and which signal
# ends it.
launch() {
    local dir=$1 signal=$2
    shift 2
    setsid "$@" </dev/null >>"$dir/log" 2>&1 9>&- &
    echo "$! $(started_at $! || echo 0) $signal" >"$dir/process"
}

# The folders that hold the processes of a server: a folder for each that its file `members` names, or its own.
process_folders() {
    if [ -s "$1/members" ]; then sed "s|^|$1/|" "$1/members"; else echo "$1"; fi
}

# The numbers of the processes, in one line.
pid_of() {
    local folder pids=()
    while read -r folder; do
        case $(cat "$folder/process") in
            container\ *) pids+=(-) ;;
            *) pids+=("$(cut -d ' ' -f 1 "$folder/process")") ;;
        esac
    done < <(process_folders "$1")
    echo "${pids[*]}"
}

# Whether the server of this folder runs, all of it.
is_running() {
    local folder
    while read -r folder; do
        process_runs "$folder" || return 1
    done < <(process_folders "$1")
}

# Whether the process of this folder runs: the very one that was started, or its container.
process_runs() {
    local pid since _
    [ -s "$1/process" ] || return 1
    read -r pid since _ <"$1/process"
    if [ "$pid" = container ]; then
        container_runs "$since"
    else
        [ "$(started_at "$pid")" = "$since" ]
    fi
}

# Ends the server of this folder at once: its data is thrown away, so there is nothing that it would have to write first.
end() {
    local folder
    while read -r folder; do end_folder "$folder"; done < <(process_folders "$1")
}

end_folder() {
    local pid since signal
    if process_runs "$1"; then
        read -r pid since signal <"$1/process"
        if [ "$pid" = container ]; then
            end_container "$since"
        else
            end_process "$1" "$pid" "$signal"
        fi
    fi
    rm -f "$1/process"
}

end_process() {
    kill "-$3" "$2" 2>/dev/null || true
    # One that a test has stopped hears no other signal.
    kill -CONT "$2" 2>/dev/null || true
    for _ in {1..40}; do
        if ! process_runs "$1"; then return; fi
        sleep 0.05
    done
    kill -KILL "$2" 2>/dev/null || true
    while process_runs "$1"; do sleep 0.02; done
}

# Waits until a command succeeds; gives up when the server of the folder ended or the seconds are over.
wait_until() {
    local dir=$1 give_up=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! is_running "$dir" || [ $SECONDS -ge $give_up ]; then return 1; fi
        sleep 0.05
    done
}

# `recipe KIND STEP [argument…]` runs a step of the recipe of a server.
recipe() {
    "${1//-/_}_$2" "${@:3}"
}

# Somebody else may take a port between the look and the start; then another one is tried.
start_on_free_port() {
    local ports
    for _ in 1 2 3; do
        if declare -F "${1//-/_}_ports" >/dev/null; then ports=$(recipe "$1" ports); else ports=$(free_ports 1); fi
        echo "$ports" >"$2/port"
        if recipe "$1" start "$2" "$ports"; then return; fi
        end "$2"
    done
    return 1
}

# Starts a server that was killed, where it was. What is left of the killed one may be in the way for a moment.
restart() {
    for _ in {1..20}; do
        if recipe "$1" start "$2" "$(cat "$2/port")"; then return; fi
        end "$2"
        sleep 0.2
    done
    return 1
}
