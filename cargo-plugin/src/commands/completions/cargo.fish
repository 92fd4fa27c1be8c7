
# `cargo wasm-oci` is completed as `cargo-wasm-oci`. Completions of a command add up, so that cargo's own stay.
function __fish_cargo_wasm_oci_after_cargo
    set -l words (commandline -opc)
    set -l at (contains -i -- wasm-oci $words)
    or return
    set -l rest (string escape -- $words[(math $at + 1)..])
    complete --do-complete (string join -- ' ' cargo-wasm-oci $rest (commandline -ct))
end
complete -c cargo -n __fish_use_subcommand -f -a wasm-oci -d 'Build Rust programs into WebAssembly container images'
complete -c cargo -n '__fish_seen_subcommand_from wasm-oci' -f -a '(__fish_cargo_wasm_oci_after_cargo)'
