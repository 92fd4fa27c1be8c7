# shellcheck shell=bash
# Functions for all steps of the action. They also work with bash 3.2, the version on macOS.
set -euo pipefail
unset CDPATH

# On Windows, jq writes CRLF.
if [ "${RUNNER_OS:-}" = Windows ]; then
    jq() { command jq "$@" | tr -d '\r'; }
fi

# The file of this step's outputs. `unset`, because a variable of this name in the workflow would be exported.
unset outputs_file
outputs_file=${GITHUB_OUTPUT:-}

# Sets an output of this step. The delimiter is random, so that a value can't contain it on purpose.
output() {
    local end
    end=end-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$outputs_file"
}

# Ends the step with a message. Escapes it, so that it can't contain workflow commands or lines.
fail() {
    local message=${1//'%'/%25}
    message=${message//$'\r'/%0D}
    printf '::error title=wasm-oci::%s\n' "${message//$'\n'/%0A}"
    exit 1
}

# Runs a command of ours. The problem matcher finds the last error by the lines after it.
ours() {
    local code=0
    "$@" || code=$?
    [ "$code" = 0 ] && return
    echo "wasm-oci ended with exit code $code" >&2
    exit "$code"
}

add_matchers() {
    local matcher
    for matcher in rustc cargo errors usage; do
        echo "::add-matcher::$GITHUB_ACTION_PATH/.github/matchers/$matcher.json"
    done
}

# Prints the value that read-inputs stored under a name.
kept() { cat "$STATE/$1"; }

# Reads a stored list of arguments into the array `words`, after the given words.
words_of() {
    local word name=$1
    shift
    words=("$@")
    while IFS= read -r -d '' word; do words+=("$word"); done <"$STATE/$name"
}

# Enters the user's working directory, passes the image's name to our commands, and uses the login, once there is one.
enter() {
    local image
    image=$(kept image)
    [ -z "$image" ] || export WASM_OCI_REPOSITORY=$image
    [ ! -d "$STATE/home" ] || use_own_login
    cd -- "$(kept folder)"
}

# Makes our commands read and write only the login of this job. These variables come before DOCKER_CONFIG.
use_own_login() {
    unset DOCKER_AUTH_CONFIG REGISTRY_AUTH_FILE
    export DOCKER_CONFIG=$STATE/home/.docker
}

# Takes from the environment what code of the crate has no use for: with the first two, it could sign an attestation in the
# name of this workflow, with the others change the following steps. Such code are build scripts, macros and tests, but also
# cargo and rustc themselves, because a `rust-toolchain.toml` names the folder that they come from.
before_foreign_code() {
    unset ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_RUNTIME_TOKEN
    unset GITHUB_ENV GITHUB_OUTPUT GITHUB_PATH GITHUB_STATE GITHUB_STEP_SUMMARY
}

# Prints the SHA-256 of the input in hexadecimal.
sha256() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}
