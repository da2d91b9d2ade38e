# Redis on its own: the system's, or the packages of this Debian or Ubuntu unpacked into the cache. Nothing is installed.
# The other Redis recipes use what is here.
# shellcheck shell=bash disable=SC2154 # the folders are from common.sh

# The first version that has all that tests use.
redis_least=7

redis_get() {
    if has_redis; then return; fi
    if ! have apt-get || ! have apt-cache || ! have dpkg-deb; then
        missing "there is neither a Redis $redis_least or later nor apt-get to get one from" || return
    fi
    redis_root=$cache/$(redis_name)
    if [ ! -d "$redis_root" ]; then
        redis_has_lists || missing "apt has no package lists yet (apt-get update)" || return
        obtain "$(redis_name)" unpack_redis || return
    fi
    is_new_redis || missing "this system's Redis is too old or does not run: $(redis server --version 2>&1 | last_line -)" || return
}

# Whether the system has one.
has_redis() {
    redis_root=
    have redis-cli && is_new_redis
}

# Whether `apt-get update` has to be run before this can be had.
redis_needs_lists() {
    ! has_redis && have apt-cache && [ ! -d "$cache/$(redis_name)" ] && ! redis_has_lists
}

# The folder of the cache: packages are made for one release and one kind of machine.
redis_name() {
    echo "redis-$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)-$(uname -m)"
}

redis_has_lists() { [ -n "$(apt-cache --quiet show redis-server 2>/dev/null | head -n 1)" ]; }

unpack_redis() {
    local packages package quiet=(-qq -o APT::Sandbox::User=root)
    # The programs, and the libraries that the system lacks.
    mapfile -t packages < <(
        printf '%s\n' redis-server redis-tools
        apt-get -qq --print-uris --no-install-recommends install redis-server | sed -n "s/^'[^']*' \([^_ ]*\)_.*/\1/p"
    )
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    mkdir "$1/work" || return
    (cd "$1/work" && apt-get "${quiet[@]}" download "${packages[@]}") || return
    for package in "$1"/work/*.deb; do dpkg-deb -x "$package" "$1" || return; done
    rm -rf "${1:?}"/{work,etc,lib/systemd,usr/share,usr/bin/redis-benchmark,usr/bin/redis-check-aof}
}

# `redis server …` and `redis cli …` run the programs; `redis_command server` is how, for `launch`.
redis() {
    local command
    mapfile -t command < <(redis_command "$1")
    "${command[@]}" "${@:2}"
}

redis_command() {
    local libraries=("$redis_root"/usr/lib/*-linux-gnu*)
    if [ -z "$redis_root" ]; then
        echo "redis-$1"
    else
        printf '%s\n' env "LD_LIBRARY_PATH=${libraries[0]}" "$redis_root/usr/bin/redis-$1"
    fi
}

is_new_redis() {
    local major
    major=$(redis server --version 2>/dev/null | sed -n 's/.* v=\([0-9]*\)\..*/\1/p')
    [ "${major:-0}" -ge $redis_least ]
}

redis_start() {
    local dir=$1 port=$2 user tls
    redis_members "$dir" "$port"
    user=$(sed -n 's/^user=//p' "$dir/settings" 2>/dev/null || true)
    tls=$(grep -x tls "$dir/settings" 2>/dev/null || true)
    if [ -n "$tls" ]; then make_certificate "$dir" || return; fi
    start_redis "$dir" "$port" || return
    redis_version >"$dir/version"
    echo "redis${tls:+s}://${user:+$user@}127.0.0.1:$port" >"$dir/url"
    echo "$port" >"$dir/made"
}

redis_version() { redis server --version | sed 's/.* v=\([^ ]*\).*/Redis \1/'; }

# `redis_members DIR PORTS [NAME…]` makes the folders of the members and notes their names. What an attempt on other ports
# left goes: a configuration names its port.
redis_members() {
    local dir=$1 ports=$2 name
    shift 2
    if [ "$(cat "$dir/made" 2>/dev/null)" != "$ports" ]; then
        rm -rf "$dir/redis.conf" "$dir/appendonlydir" "$dir/made"
        for name in "$@"; do rm -rf "${dir:?}/$name"; done
    fi
    for name in "$@"; do mkdir -p "$dir/$name"; done
    if [ $# -gt 0 ]; then printf '%s\n' "$@" >"$dir/members"; fi
}

# `start_redis DIR PORT [setting…]` starts one process where it does not run, and waits until it answers. The settings of
# redis.conf are those given here and then those of the whole server. The file stays as it is at later starts: Redis itself
# writes into it what became of its role.
start_redis() {
    local dir=$1 port=$2 command
    shift 2
    if is_running "$dir"; then return; fi
    if [ ! -s "$dir/redis.conf" ]; then
        {
            printf '%s\n' "port $port" "bind 127.0.0.1" "dir $dir" 'save ""' "$@"
            redis_settings "$dir" "$port"
        } >"$dir/redis.conf"
    fi
    mapfile -t command < <(redis_command server)
    launch "$dir" KILL "${command[@]}" "$dir/redis.conf"
    wait_until "$dir" 20 redis_answers "$dir" "$port"
}

# What the file `settings` of a server, or of the server that a member belongs to, says in the words of redis.conf.
redis_settings() {
    local dir=$1 port=$2 setting user
    [ -e "$dir/settings" ] || dir=${dir%/*}
    [ -e "$dir/settings" ] || return 0
    while read -r setting; do
        case $setting in
            user=*:*)
                user=${setting#user=}
                printf '%s\n' 'user default off' "user ${user%%:*} on >${user#*:} ~* &* +@all"
                ;;
            tls)
                printf '%s\n' 'port 0' "tls-port $port" 'tls-auth-clients no' \
                    "tls-cert-file $dir/cert.pem" "tls-key-file $dir/key.pem" "tls-ca-cert-file $dir/ca.pem"
                ;;
            *) echo "${setting%%=*} ${setting#*=}" ;;
        esac
    done <"$dir/settings"
}

# Whether the process of this folder, and no other on its port, answers commands.
redis_answers() {
    ask_redis "$1" "$2" info server | grep -qx "process_id:$(pid_of "$1")"
}

# `ask_redis DIR PORT COMMAND…` sends a command as whoever may.
ask_redis() {
    local dir=$1 port=$2 options=() user
    shift 2
    user=$(sed -n 's/^user=//p' "$dir/settings" 2>/dev/null || true)
    if [ -n "$user" ]; then options+=(--user "${user%%:*}" --pass "${user#*:}" --no-auth-warning); fi
    if [ -s "$dir/ca.pem" ]; then options+=(--tls --cacert "$dir/ca.pem"); fi
    redis cli -h 127.0.0.1 -p "$port" "${options[@]}" "$@" </dev/null | tr -d '\r'
}

# An authority of its own, and a certificate for 127.0.0.1 and localhost.
make_certificate() {
    local dir=$1
    [ -s "$dir/cert.pem" ] && return
    have openssl || {
        echo "openssl is needed to make a certificate" >>"$dir/log"
        return 1
    }
    {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Forebay tests' \
            -addext 'keyUsage=critical,keyCertSign' -keyout "$dir/ca-key.pem" -out "$dir/ca.pem" &&
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' \
                -keyout "$dir/key.pem" -out "$dir/request.pem" &&
            openssl x509 -req -in "$dir/request.pem" -CA "$dir/ca.pem" -CAkey "$dir/ca-key.pem" -days 30 \
                -extfile <(printf '%s\n' 'subjectAltName=IP:127.0.0.1,DNS:localhost' 'basicConstraints=CA:FALSE') \
                -out "$dir/cert.pem"
    } >>"$dir/log" 2>&1
}
