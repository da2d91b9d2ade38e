# A server of S3's protocol that keeps everything in memory: moto, with one bucket. It takes any credentials.
# shellcheck shell=bash disable=SC2154 # the folders are from common.sh

s3_bucket=forebay
s3_version=5.2.5
# What moto needs to serve S3. All that it could depend on is four times that.
s3_libraries=("moto==$s3_version" boto3==1.44.5 botocore==1.44.5 s3transfer==0.19.3 jmespath==1.1.0 python-dateutil==2.9.0.post0
    six==1.17.0 urllib3==2.8.0 requests==2.34.2 certifi==2026.10.18 charset-normalizer==3.5.2 idna==3.20 responses==0.26.3
    PyYAML==6.0.3 xmltodict==1.0.4 werkzeug==3.1.9 markupsafe==3.0.4 flask==3.1.3 flask-cors==6.0.5 jinja2==3.1.6
    itsdangerous==2.2.0 click==8.5.1 blinker==1.9.0)

s3_get() {
    local version
    has_pip || missing "Python 3 with pip is needed (python3-pip)" || return
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') || return
    case $version in
        3.[0-9] | 3.10) missing "Python 3.11 or later is needed" || return ;;
    esac
    # Libraries are made for one version of Python.
    s3_folder=s3-moto-$s3_version-$version-$(uname -m)
    obtain "$s3_folder" fetch_s3
}

fetch_s3() {
    PIP_ROOT_USER_ACTION=ignore python3 -m pip --disable-pip-version-check install -q --no-deps --only-binary=:all: \
        --target "$1" "${s3_libraries[@]}" || return
    # The descriptions of other services than S3, and what they answer from.
    find "$1/botocore/data" -mindepth 1 -maxdepth 1 -type d ! -name s3 -exec rm -rf {} +
}

s3_start() {
    local dir=$1 port=$2
    launch "$dir" KILL env PYTHONPATH="$cache/$s3_folder" PYTHONDONTWRITEBYTECODE=1 python3 -W ignore -m moto.server -H 127.0.0.1 -p "$port"
    wait_until "$dir" 60 port_answers "$port" || return
    python3 -c "import urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:$port/$s3_bucket', method='PUT'))" || return
    is_running "$dir" || return
    echo "moto $s3_version, bucket $s3_bucket" >"$dir/version"
    echo "http://127.0.0.1:$port" >"$dir/url"
}

s3_container() { return 1; }
