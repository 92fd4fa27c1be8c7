//! Arguments about the output.

use clap::{ArgAction, Args, ColorChoice};

use crate::ui::debug_log;
use crate::ui::shell::{Shell, Verbosity};

/// Position in the help, after the options of a command itself and before `--help`.
const LAST: usize = 900;

/// Amount and colour of the output.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Print more; -vv adds a debug log
    #[arg(short, long, global = true, display_order = LAST, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Print only errors
    #[arg(short, long, global = true, display_order = LAST + 1)]
    pub quiet: bool,
    /// Colour the output; auto means on a terminal, unless NO_COLOR is set
    // cargo's own variable, so that `cargo wasm-oci` and the cargo that it starts look the same.
    #[arg(
        long,
        global = true,
        display_order = LAST + 2,
        value_name = "WHEN",
        env = "CARGO_TERM_COLOR",
        hide_env = true,
        default_value = "auto"
    )]
    pub color: ColorChoice,
}

impl OutputArgs {
    /// Returns the shell for these arguments. From `-vv` on, the debug log starts as well.
    pub fn shell(&self) -> Shell {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        let shell = Shell::new(verbosity, self.color);
        if self.verbose > 1 {
            debug_log::install(&shell);
        }
        shell
    }
}
