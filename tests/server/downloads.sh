# What is downloaded, once, and what Debian packages are needed for it. Sourced by tests/servers.
# shellcheck shell=bash disable=SC2154 # the folders are from common.sh

# `obtain NAME FUNCTION` leaves the folder $cache/NAME, which FUNCTION fills. A folder appears whole or not at all, whoever
# else wants it at the same time and whenever it is interrupted.
obtain() {
    local name=$1 fill=$2 part
    [ -d "$cache/$name" ] && return
    (
        exec 8>"$cache/$name.lock"
        if have flock; then flock 8; fi
        [ -d "$cache/$name" ] && exit
        rm -rf "$cache/$name".part.*
        part=$(mktemp -d "$cache/$name.part.XXXXXX")
        chmod 755 "$part"
        # errexit does not reach here, so the functions say `|| return` themselves.
        if "$fill" "$part"; then mv "$part" "$cache/$name"; else
            rm -rf "$part"
            exit 1
        fi
    )
}

# A wheel of PyPI, unpacked but not installed: it needs no virtual environment and works for any Python.
# `fetch_wheel DIR PACKAGE==VERSION [pip option…]`
fetch_wheel() {
    local dir=$1 package=$2
    shift 2
    mkdir -p "$dir/download" || return
    python3 -m pip --disable-pip-version-check download -q --no-deps --only-binary=:all: -d "$dir/download" "$@" "$package" || return
    python3 -m zipfile -e "$dir"/download/*.whl "$dir" || return
    rm -rf "$dir/download"
}

has_pip() { python3 -m pip --version >/dev/null 2>&1; }

# Java 17 or later; its path, or nothing.
find_java() {
    local java version
    for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)"; do
        [ -x "$java" ] || continue
        version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
        if [ "${version:-0}" -ge 17 ]; then
            echo "$java"
            return
        fi
    done
    return 1
}

# On a machine that is there for tests only, what is missing is installed.
prepare_packages() {
    local packages=()
    if [ "${CI-}" != true ] || ! is_root || ! have apt-get; then return; fi
    if ! has_pip; then packages+=(python3 python3-pip); fi
    if ! find_java >/dev/null; then packages+=(openjdk-17-jre-headless); fi
    if ! have mvn; then packages+=(maven); fi
    if ! have openssl; then packages+=(openssl); fi
    mapfile -t -O "${#packages[@]}" packages < <(collated_packages)
    if collated_needs_lists || redis_needs_lists; then apt-get update -qq || true; fi
    if [ ${#packages[@]} -gt 0 ]; then
        echo "tests/servers: installing ${packages[*]}"
        {
            apt-get update -qq -o DPkg::Lock::Timeout=120 &&
                DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 "${packages[@]}"
        } >"$run/apt.log" 2>&1 || echo "tests/servers: that failed: $(last_line "$run/apt.log")" >&2
    fi
}
