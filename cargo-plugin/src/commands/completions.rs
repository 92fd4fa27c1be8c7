//! Completion of `cargo wasm-oci`, through that of `cargo-wasm-oci`.

use clap_complete::Shell;

/// Returns the text to append to a shell's script.
pub(super) fn after_cargo(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("completions/cargo.bash"),
        Shell::Fish => include_str!("completions/cargo.fish"),
        // In zsh, cargo's own script calls our function. For other shells we know of no way that
        // leaves cargo's completion intact (decision 28).
        _ => "",
    }
}
