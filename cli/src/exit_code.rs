//! Exit codes, the same for both commands. `docs/exit-codes.md` is for people what this is for the code; a test
//! holds one against the other.

/// Why a process ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything was done.
    Success = 0,
    /// Something failed that has no code of its own: reading, writing, settings.
    Failure = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The module is not WebAssembly, not valid, or imports what no WASI runtime provides.
    Invalid = 3,
    /// The registry can't be reached, refuses, or doesn't have the image.
    Registry = 4,
    /// The registry wants other credentials, or more rights.
    Authentication = 5,
    /// cargo's build failed, and cargo has said why.
    Build = 101,
    /// The program was stopped by a trap, as a native one by SIGABRT.
    Trap = 134,
}

impl ExitCode {
    /// All of them, with what they mean.
    pub const ALL: [(ExitCode, &'static str); 8] = [
        (ExitCode::Success, "everything was done"),
        (ExitCode::Failure, "a failure without a code of its own: reading, writing, settings"),
        (ExitCode::Usage, "the command line makes no sense"),
        (
            ExitCode::Invalid,
            "the module is not WebAssembly, not valid, or imports what no WASI runtime provides",
        ),
        (ExitCode::Registry, "the registry can't be reached, refuses, or doesn't have the image"),
        (ExitCode::Authentication, "the registry wants other credentials, or more rights"),
        (ExitCode::Build, "cargo's build failed; cargo has said why"),
        (ExitCode::Trap, "`run`: the program was stopped by a trap"),
    ];

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> std::process::ExitCode {
        std::process::ExitCode::from(code.code())
    }
}
