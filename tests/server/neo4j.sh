# Neo4j Community 5.26.16, from Maven Central, without authentication.
# shellcheck shell=bash disable=SC2154 # the folders are from common.sh

neo4j_version=5.26.16
neo4j_jars=neo4j-$neo4j_version

neo4j_get() {
    neo4j_java=$(find_java) || missing "a Java of version 17 or later is needed (openjdk-17-jre-headless)" || return
    if [ ! -d "$cache/$neo4j_jars" ]; then
        have mvn || missing "Maven is needed for the download (maven)" || return
        obtain "$neo4j_jars" fetch_neo4j || return
    fi
}

fetch_neo4j() {
    cat >"$1/pom.xml" <<P
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>forebay</groupId><artifactId>neo4j-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.neo4j</groupId><artifactId>neo4j</artifactId><version>$neo4j_version</version></dependency>
  </dependencies>
</project>
P
    # Jars are checked against their checksums. Maven's own store is not used, so that there is one cache only.
    (cd "$1" && mvn -q -B -ntp --strict-checksums "-Dmaven.repo.local=$1/store" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$1/lib") || return
    rm -rf "$1/store" "$1/pom.xml"
}

neo4j_start() {
    local dir=$1 port=$2 home=$1/home
    mkdir -p "$home"/{conf,data,logs,plugins,import,run,lib}
    cat >"$home/conf/neo4j.conf" <<C
server.bolt.enabled=true
server.bolt.listen_address=127.0.0.1:$port
server.http.enabled=false
server.https.enabled=false
dbms.security.auth_enabled=false
dbms.usage_report.enabled=false
db.tx_log.preallocate=false
server.memory.heap.initial_size=512m
server.memory.heap.max_size=1g
server.memory.pagecache.size=256m
C
    : >"$home/logs/neo4j.log"
    launch "$dir" KILL "$neo4j_java" -Xms512m -Xmx1g -XX:+UseSerialGC --add-opens=java.base/java.nio=ALL-UNNAMED \
        --add-opens=java.base/java.io=ALL-UNNAMED --add-opens=java.base/sun.nio.ch=ALL-UNNAMED \
        -cp "$cache/$neo4j_jars/lib/*" org.neo4j.server.CommunityEntryPoint "--home-dir=$home" "--config-dir=$home/conf"
    wait_until "$dir" 90 grep -q 'Started\.$' "$home/logs/neo4j.log" || return
    wait_until "$dir" 10 port_answers "$port" || return
    echo "Neo4j Community $neo4j_version" >"$dir/version"
    echo "bolt://127.0.0.1:$port" >"$dir/url"
}
