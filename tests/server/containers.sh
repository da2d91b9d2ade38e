# Where a server cannot be had natively but a Docker engine runs: its official image. Sourced by tests/servers.
# Private servers are native only: what a test does to their processes it cannot do to a container's.
# shellcheck shell=bash

postgres_image=pgvector/pgvector:0.8.5-pg18
neo4j_image=neo4j:5.26.16-community
redis_image=redis:7.0.15

postgres_container() {
    start_container "$1" 5432 "$postgres_image" -e POSTGRES_HOST_AUTH_METHOD=trust --shm-size 1g -- -c wal_level=logical -c max_connections=200 || return
    # The image's server restarts once, and listens on its network only after that.
    wait_until "$1" 60 docker exec "$(cut -d ' ' -f 2 "$1/process")" pg_isready -q -h 127.0.0.1 || return
    echo "postgres://postgres@127.0.0.1:$(cat "$1/port")/postgres" >"$1/url"
}

neo4j_container() {
    start_container "$1" 7687 "$neo4j_image" -e NEO4J_AUTH=none -- || return
    wait_until "$1" 90 docker exec "$(cut -d ' ' -f 2 "$1/process")" cypher-shell 'RETURN 1' || return
    echo "bolt://127.0.0.1:$(cat "$1/port")" >"$1/url"
}

redis_container() {
    start_container "$1" 6379 "$redis_image" -- --save '' --appendonly no || return
    wait_until "$1" 60 docker exec "$(cut -d ' ' -f 2 "$1/process")" redis-cli ping || return
    echo "redis://127.0.0.1:$(cat "$1/port")" >"$1/url"
}

# `start_container DIR PORT IMAGE [docker option…] -- [argument of the image…]`. The engine picks a free port of loopback.
start_container() {
    local dir=$1 port=$2 image=$3 options=() id
    shift 3
    docker info --format '{{.ServerVersion}}' 2>/dev/null | grep -q . || return
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    id=$(docker run -d --rm -p "127.0.0.1::$port" "${options[@]}" "$image" "$@") || return
    echo "container $id" >"$dir/process"
    rm -f "$dir/missing"
    docker port "$id" "$port" | head -n 1 | sed 's/.*://' >"$dir/port"
    echo "$image" >"$dir/version"
}

container_runs() {
    [ "$(docker inspect -f '{{.State.Running}}' "$1" 2>/dev/null)" = true ]
}

end_container() {
    docker rm -f "$1" >/dev/null
}
