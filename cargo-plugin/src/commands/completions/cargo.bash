
# `cargo wasm-oci` is completed as `cargo-wasm-oci`, and everything else of cargo by what did so before.
_cargo_wasm_oci_after_cargo() {
    local at=1
    [[ ${COMP_WORDS[1]-} == +* ]] && at=2
    if [[ $COMP_CWORD -gt $at && ${COMP_WORDS[at]-} == wasm-oci ]]; then
        local -a words=(cargo-wasm-oci "${COMP_WORDS[@]:at + 1}")
        local COMP_CWORD=$((COMP_CWORD - at))
        local -a COMP_WORDS=("${words[@]}")
        _cargo__wasm__oci cargo-wasm-oci "$2" "${COMP_WORDS[COMP_CWORD - 1]}"
    elif [[ -n ${_cargo_wasm_oci_before-} ]]; then
        "$_cargo_wasm_oci_before" "$@"
    fi
}

_cargo_wasm_oci_register() {
    local loader now
    # Where completions are loaded when they are first needed, cargo's is needed now.
    for loader in "_comp_load --" _completion_loader; do
        complete -p cargo &>/dev/null && break
        # Two words, one of which is an option.
        declare -F "${loader%% *}" >/dev/null && $loader cargo
    done
    now=$(complete -p cargo 2>/dev/null)
    if [[ -z $now ]]; then
        complete -F _cargo_wasm_oci_after_cargo -o bashdefault -o default cargo
    elif [[ $now =~ \ -F\ ([^ ]+)\  && ${BASH_REMATCH[1]} != _cargo_wasm_oci_after_cargo ]]; then
        _cargo_wasm_oci_before=${BASH_REMATCH[1]}
        # With the same options. This is bash's own notation of it.
        eval "${now/ -F $_cargo_wasm_oci_before / -F _cargo_wasm_oci_after_cargo }"
    fi
}
_cargo_wasm_oci_register

