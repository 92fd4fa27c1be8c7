//! How a shell comes from `cargo wasm-oci` to what completes `cargo-wasm-oci`.

use clap_complete::Shell;

/// What follows the script of a shell for that. For zsh it is nothing: cargo's own completion there asks a function of this
/// name. For the others than these we know of no way that leaves cargo's alone.
pub(super) fn after_cargo(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("completions/cargo.bash"),
        Shell::Fish => include_str!("completions/cargo.fish"),
        _ => "",
    }
}
