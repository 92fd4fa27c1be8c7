//! Exit codes of both commands. A test compares them with `docs/exit-codes.md`.

/// The exit code of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    Success = 0,
    Failure = 1,
    Usage = 2,
    Invalid = 3,
    Registry = 4,
    Authentication = 5,
    SizeBudget = 6,
    OverLimit = 10,
    /// The code that cargo uses itself.
    Build = 101,
    SmokeTest = 7,
    Different = 8,
    NotTaken = 9,
    Memory = 120,
    TableElements = 121,
    Instances = 122,
    Fuel = 123,
    /// The code that coreutils' `timeout` uses.
    Timeout = 124,
    Output = 125,
    /// 128 + SIGINT, as in shells.
    Interrupted = 130,
    /// 128 + SIGABRT, as a native program that aborts.
    Trap = 134,
}

impl ExitCode {
    /// All exit codes with their meanings.
    pub const ALL: [(ExitCode, &'static str); 20] = [
        (ExitCode::Success, "everything was done"),
        (ExitCode::Failure, "another failure, such as an unreadable file or an invalid setting"),
        (ExitCode::Usage, "invalid arguments"),
        (
            ExitCode::Invalid,
            "the module is not WebAssembly, not valid, or refused because of its imports, its capabilities or its required runtimes",
        ),
        (
            ExitCode::Registry,
            "the registry can't be reached, refuses the request, or doesn't have the image",
        ),
        (ExitCode::Authentication, "the registry needs other credentials or permissions"),
        (ExitCode::SizeBudget, "the module or its image is larger than its `size-budget`"),
        (ExitCode::SmokeTest, "a smoke test failed"),
        (ExitCode::Different, "`verify-rebuild`: the sources produce a different image"),
        (ExitCode::NotTaken, "an engine that `--for` selects can't start the image"),
        (ExitCode::OverLimit, "the image exceeds a limit for reading it (`--read-limit`)"),
        (ExitCode::Build, "`cargo build` failed; its own messages say why"),
        (ExitCode::Memory, "`run`: the program needed more memory than `--memory`"),
        (ExitCode::TableElements, "`run`: the program needed more than `--max-table-elements`"),
        (ExitCode::Instances, "`run`: the program needed more than `--max-instances`"),
        (ExitCode::Fuel, "`run`: the program used up its `--fuel`"),
        (ExitCode::Timeout, "`run`: the program ran for longer than `--timeout`"),
        (ExitCode::Output, "`run`: the program wrote more than `--max-output`"),
        (ExitCode::Interrupted, "interrupted with Ctrl-C"),
        (ExitCode::Trap, "`run`: the program was stopped by a trap"),
    ];

    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> std::process::ExitCode {
        std::process::ExitCode::from(code.code())
    }
}
