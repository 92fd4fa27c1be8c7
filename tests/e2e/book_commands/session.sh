# What a page's commands are run with. WORK is the test's folder, CRATE that of the crate, HTTP_CRATE that of one that
# answers requests, PORTS those that a page may mean.
#
# Before each command, the number of its line goes to the log; after one that failed, that and its exit code.
set -o pipefail
shopt -s expand_aliases
exec 3>&1
trap 'printf "\n\036%s\n" "$LINENO" >&3' DEBUG
trap 'printf "\n\035%s %s\n" "$LINENO" "$?" >&3' ERR
trap 'end_all' EXIT
started=()

# Ends a command and all that it has started.
end() {
    kill -- "-$1" 2>/dev/null
    wait "$1" 2>/dev/null
    true
}

end_all() {
    local one
    for one in "${started[@]}"; do end "$one"; done
}

# Whether there is any answer of HTTP.
answers() { curl --silent --max-time 10 --output "$WORK/answer" "http://127.0.0.1:$1/"; }

# start COMMAND...: starts what doesn't end by itself, and waits until it has said something, or something answers where
# it was to listen.
start() {
    local said folder=$PWD port free=()
    said=$(mktemp "$WORK/said.XXXXXX")
    # The crate itself answers no requests.
    case "$* " in
    *"wasm-oci serve "* | *"wasm-oci watch "*"--serve "*) [ ! . -ef "$CRATE" ] || folder=$HTTP_CRATE ;;
    esac
    for port in $PORTS; do answers "$port" || free+=("$port"); done
    (cd "$folder" && exec setsid "$@" 3>&-) >"$said" &
    pid=$!
    address=
    for _ in {1..1200}; do
        address=$(grep --only-matching --max-count 1 'http://[0-9.:]*' "$said")
        [ -n "$address" ] || [ ! -s "$said" ] || break
        for port in "${free[@]}"; do ! answers "$port" || address=http://127.0.0.1:$port; done
        [ -z "$address" ] || break
        kill -0 $pid 2>/dev/null || { wait $pid && echo 'it ended by itself'; return 1; }
        sleep 0.05
    done
    cat "$said"
    [ -s "$said" ] || [ -n "$address" ] || { echo 'it said nothing, and nothing answers'; end $pid; return 1; }
}

# Starts it, asks it where it answers requests, and ends it.
foreground() {
    local failed=0
    start "$@" || return 1
    [ -z "$address" ] || curl --silent --show-error --max-time 10 --output "$WORK/answer" "$address/" || failed=1
    end "$pid"
    return $failed
}

# Starts it, for the commands after it.
background() {
    start "$@" || return 1
    started+=("$pid")
}
