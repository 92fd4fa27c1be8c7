//! Completion of `cargo wasm-oci`, through that of `cargo-wasm-oci`.

use clap_complete::Shell;

/// Returns the text to append to a shell's script. zsh needs none, because cargo's own completion there calls a function of the right
/// name. For other shells we know of no way that leaves cargo's completion intact.
pub(super) fn after_cargo(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("completions/cargo.bash"),
        Shell::Fish => include_str!("completions/cargo.fish"),
        _ => "",
    }
}
