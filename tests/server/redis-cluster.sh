# A Redis Cluster of three masters without replicas.
# shellcheck shell=bash disable=SC2154 # the folders are from common.sh

redis_cluster_get() { redis_get; }

# The nodes talk to each other at their ports + 10,000, which have to be below those for clients, too.
redis_cluster_ports() { free_ports 3 2700 10000; }

redis_cluster_start() {
    local dir=$1 ports number url=
    read -ra ports <<<"$2"
    redis_members "$dir" "$2" node-1 node-2 node-3
    for number in 1 2 3; do
        start_redis "$dir/node-$number" "${ports[number - 1]}" 'cluster-enabled yes' 'cluster-config-file nodes.conf' \
            'cluster-node-timeout 2000' 'cluster-announce-ip 127.0.0.1' || return
        url+=${url:+,}redis://127.0.0.1:${ports[number - 1]}
    done
    if [ ! -e "$dir/made" ]; then form_cluster "$dir" "${ports[@]}" || return; fi
    echo "$(redis_version), 3 masters" >"$dir/version"
    echo "$url" >"$dir/url"
    echo "$2" >"$dir/made"
}

# `form_cluster DIR PORT PORT PORT` gives each node its third of the 16,384 slots and lets them meet.
form_cluster() {
    local dir=$1 number first=0 last
    shift
    for number in 1 2 3; do
        last=$((number * 16384 / 3 - 1))
        ask_redis "$dir/node-$number" "${!number}" cluster set-config-epoch "$number" | grep -qx OK || return
        ask_redis "$dir/node-$number" "${!number}" cluster addslotsrange "$first" "$last" | grep -qx OK || return
        first=$((last + 1))
    done
    for number in 2 3; do
        ask_redis "$dir/node-1" "$1" cluster meet 127.0.0.1 "${!number}" | grep -qx OK || return
    done
    for number in 1 2 3; do
        wait_until "$dir/node-$number" 30 is_whole_cluster "$dir/node-$number" "${!number}" || return
    done
}

is_whole_cluster() {
    [ "$(ask_redis "$1" "$2" cluster info | grep -cxE 'cluster_state:ok|cluster_slots_ok:16384|cluster_known_nodes:3')" = 3 ]
}

redis_cluster_container() { return 1; }
