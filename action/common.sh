# shellcheck shell=bash
# What the steps of the action share. It runs with bash 3.2, too, which macOS has.
set -euo pipefail
unset CDPATH

# On Windows, jq ends lines as other programs there do.
if [ "${RUNNER_OS:-}" = Windows ]; then
    jq() { command jq "$@" | tr -d '\r'; }
fi

# An output of this step; what ends a value of several lines can't be in it by intent.
output() {
    local end
    end=end-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}

# Ends the step with a message, in which workflow commands and lines are text.
fail() {
    local message=${1//'%'/%25}
    message=${message//$'\r'/%0D}
    printf '::error title=wasm-oci::%s\n' "${message//$'\n'/%0A}"
    exit 1
}

# A command of ours. The problem matcher takes the last error by what is said after it.
ours() {
    local code=0
    "$@" || code=$?
    [ "$code" = 0 ] && return
    echo "wasm-oci ended with exit code $code" >&2
    exit "$code"
}

add_matchers() {
    local matcher
    for matcher in rustc cargo errors; do
        echo "::add-matcher::$GITHUB_ACTION_PATH/.github/matchers/$matcher.json"
    done
}

# The value that read-inputs kept under a name.
kept() { cat "$STATE/$1"; }

# The same of a list of arguments, after the words that are given, into the array `words`.
words_of() {
    local word name=$1
    shift
    words=("$@")
    while IFS= read -r -d '' word; do words+=("$word"); done <"$STATE/$name"
}

# To where the user works, with the image's name where our commands find it.
enter() {
    local image
    image=$(kept image)
    [ -z "$image" ] || export WASM_OCI_REPOSITORY=$image
    cd -- "$(kept folder)"
}

# What would be built: a line of JSON for each program, with its repository and tags.
plans() {
    local wasm words
    wasm=$(kept wasm)
    if [ -n "$wasm" ]; then
        words_of arguments wasm-oci pack --dry-run
        words+=(-- "$wasm")
    else
        words_of arguments cargo-wasm-oci wasm-oci build --dry-run
    fi
    "${words[@]}"
}

# SHA-256 of what is read, in hexadecimal.
sha256() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}
