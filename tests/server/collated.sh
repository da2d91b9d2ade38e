# The Postgres 15 of Debian 12 with pgvector 0.8.0, every database of which sorts text by ICU's rules for American English.
# Nothing is installed: the packages are unpacked into the cache. Debian keeps only the newest 15.x, so that is what it is.
# shellcheck shell=bash disable=SC2154 # the folders are from common.sh

collated_name=postgres-15-pgvector-0.8.0-$(uname -m)
collated_bin_folder=usr/lib/postgresql/15/bin

# Whether the system is the one that the recipe is for.
on_bookworm() {
    [ "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null)" = bookworm ] && have apt-get && have dpkg-deb
}

# Where the system's packages come from; nothing before a first `apt-get update`.
bookworm_mirror() {
    # shellcheck disable=SC2016 # apt's variable
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1
}

# Whether `apt-get update` has to be run before this can be had.
collated_needs_lists() {
    on_bookworm && [ ! -d "$cache/$collated_name" ] && [ -z "$(bookworm_mirror)" ]
}

# The Debian packages that the recipe lacks: what builds, and the libraries that Postgres 15 is linked with.
collated_packages() {
    local package
    if ! on_bookworm || [ -d "$cache/$collated_name" ]; then return; fi
    if ! have cc; then echo gcc; fi
    if ! have make; then echo make; fi
    [ -f /usr/include/stdio.h ] || echo libc6-dev
    for package in libgssapi-krb5-2 libicu72 libldap-2.5-0 liblz4-1 libpam0g libpq5 libselinux1 libssl3 libsystemd0 \
        libuuid1 libxml2 libxslt1.1 libzstd1 tzdata; do
        if ! dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then echo "$package"; fi
    done
}

collated_get() {
    local lacking
    on_bookworm || missing "there is a recipe for Debian 12 only" || return
    if is_root && ! have setpriv; then missing "Postgres refuses to run as root, and there is no setpriv" || return; fi
    if [ ! -d "$cache/$collated_name" ]; then
        lacking=$(collated_packages | sort -u | tr '\n' ' ')
        [ -z "$lacking" ] || missing "Debian packages are not there: ${lacking% }" || return
        [ -n "$(bookworm_mirror)" ] || missing "apt has no package lists yet (apt-get update)" || return
        obtain "$collated_name" build_collated || return
    fi
    collated_bin=$(postgres_programs "$collated_name" "$collated_bin_folder")
}

build_collated() {
    local root=$1 work=$1/work package quiet=(-qq -o APT::Sandbox::User=root)
    mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial" || return
    (cd "$work" && apt-get "${quiet[@]}" download postgresql-15 postgresql-client-15 postgresql-server-dev-15) || return
    for package in "$work"/*.deb; do dpkg-deb -x "$package" "$root" || return; done

    # pgvector's source is in the next Debian; its list is read without touching the system's.
    echo "deb-src $(bookworm_mirror) trixie main" >"$work/parts/trixie.list"
    quiet+=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/parts" -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache")
    apt-get "${quiet[@]}" update || return
    (cd "$work" && apt-get "${quiet[@]}" source --download-only pgvector=0.8.0-1) || return
    mkdir "$work/source" || return
    tar -xf "$work"/pgvector_0.8.0.orig.tar.* -C "$work/source" --strip-components 1 || return
    # Postgres finds its files relative to its programs, so this installs into the unpacked folder.
    make -s -C "$work/source" -j "$(nproc)" OPTFLAGS= with_llvm=no PG_CONFIG="$root/$collated_bin_folder/pg_config" all install || return

    rm -rf "$work" "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale" "$root/usr/include" \
        "$root/usr/lib/postgresql/15/lib/bitcode"
}

collated_start() {
    start_postgres "$1" "$2" "$collated_bin" --locale=C --locale-provider=icu --icu-locale=en-US
}

collated_container() { return 1; }
