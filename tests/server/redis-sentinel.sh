# Redis under Sentinel: one that begins as the master `mymaster`, its replica, and three sentinels, two of whom decide.
# shellcheck shell=bash disable=SC2154 # the folders are from common.sh

redis_sentinel_get() { redis_get; }

redis_sentinel_ports() { free_ports 5; }

redis_sentinel_start() {
    local dir=$1 ports number
    read -ra ports <<<"$2"
    redis_members "$dir" "$2" server-1 server-2 sentinel-1 sentinel-2 sentinel-3
    start_redis "$dir/server-1" "${ports[0]}" 'repl-diskless-sync-delay 0' || return
    start_redis "$dir/server-2" "${ports[1]}" 'repl-diskless-sync-delay 0' "replicaof 127.0.0.1 ${ports[0]}" || return
    # A sentinel asks the master for its replicas as it starts, and next after 10 s.
    if [ ! -e "$dir/made" ]; then
        wait_until "$dir/server-2" 20 reports "$dir/server-2" "${ports[1]}" replication master_link_status:up || return
    fi
    for number in 1 2 3; do
        start_sentinel "$dir/sentinel-$number" "${ports[number + 1]}" "${ports[0]}" || return
    done
    if [ ! -e "$dir/made" ]; then
        for number in 1 2 3; do
            wait_until "$dir/sentinel-$number" 30 reports "$dir/sentinel-$number" "${ports[number + 1]}" sentinel \
                "master0:name=mymaster,status=ok,address=127.0.0.1:${ports[0]},slaves=1,sentinels=3" || return
        done
    fi
    echo "$(redis_version), a master, a replica, 3 sentinels" >"$dir/version"
    echo "redis+sentinel://127.0.0.1:${ports[2]},127.0.0.1:${ports[3]},127.0.0.1:${ports[4]}/mymaster" >"$dir/url"
    echo "$2" >"$dir/made"
}

# `start_sentinel DIR PORT MASTER`, the master's port.
start_sentinel() {
    local dir=$1 port=$2 command
    if is_running "$dir"; then return; fi
    if [ ! -s "$dir/sentinel.conf" ]; then
        cat >"$dir/sentinel.conf" <<C
port $port
bind 127.0.0.1
dir $dir
sentinel monitor mymaster 127.0.0.1 $3 2
sentinel down-after-milliseconds mymaster 1000
sentinel failover-timeout mymaster 3000
sentinel parallel-syncs mymaster 1
C
    fi
    mapfile -t command < <(redis_command server)
    launch "$dir" KILL "${command[@]}" "$dir/sentinel.conf" --sentinel
    wait_until "$dir" 20 redis_answers "$dir" "$port"
}

# `reports DIR PORT SECTION LINE`: whether that section of a Redis' INFO has that line.
reports() { ask_redis "$1" "$2" info "$3" | grep -qx "$4"; }

redis_sentinel_container() { return 1; }
