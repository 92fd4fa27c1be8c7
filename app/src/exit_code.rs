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
    /// The module is not WebAssembly, not valid, or refused.
    Invalid = 3,
    /// The registry can't be reached, refuses, or doesn't have the image.
    Registry = 4,
    /// The registry wants other credentials, or more rights.
    Authentication = 5,
    /// The module or its image is larger than its budget.
    SizeBudget = 6,
    /// An image is over a limit for reading it.
    OverLimit = 10,
    /// cargo's build failed, and cargo has said why.
    Build = 101,
    /// A smoke test failed.
    SmokeTest = 7,
    /// An image is not what the sources make.
    Different = 8,
    /// An image doesn't run where it should.
    NotTaken = 9,
    /// The program needed more memory than its limit.
    Memory = 120,
    /// The program wanted larger tables than its limit.
    TableElements = 121,
    /// The program consists of more instances than its limit.
    Instances = 122,
    /// The program used up its fuel.
    Fuel = 123,
    /// The program ran for longer than its limit, as `timeout` has it.
    Timeout = 124,
    /// The program wrote more than its limit.
    Output = 125,
    /// The user pressed Ctrl-C, as a shell has it.
    Interrupted = 130,
    /// The program was stopped by a trap, as a native one by SIGABRT.
    Trap = 134,
}

impl ExitCode {
    /// All of them, with what they mean.
    pub const ALL: [(ExitCode, &'static str); 20] = [
        (ExitCode::Success, "everything was done"),
        (ExitCode::Failure, "a failure without a code of its own: reading, writing, settings"),
        (ExitCode::Usage, "the command line makes no sense"),
        (
            ExitCode::Invalid,
            "the module is not WebAssembly, not valid, or refused for its imports, what it can do or where it has to run",
        ),
        (ExitCode::Registry, "the registry can't be reached, refuses, or doesn't have the image"),
        (ExitCode::Authentication, "the registry wants other credentials, or more rights"),
        (ExitCode::SizeBudget, "the module, or its image, is larger than its `size-budget`"),
        (ExitCode::SmokeTest, "a smoke test failed"),
        (ExitCode::Different, "`verify-rebuild`: the image is not what the sources make"),
        (ExitCode::NotTaken, "the image doesn't run where `--for` says that it should"),
        (
            ExitCode::OverLimit,
            "the image is over one of the limits for reading it (`--read-limit`)",
        ),
        (ExitCode::Build, "cargo's build failed; cargo has said why"),
        (ExitCode::Memory, "`run`: the program needed more memory than `--memory`"),
        (ExitCode::TableElements, "`run`: the program needed more than `--max-table-elements`"),
        (ExitCode::Instances, "`run`: the program needed more than `--max-instances`"),
        (ExitCode::Fuel, "`run`: the program used up its `--fuel`"),
        (ExitCode::Timeout, "`run`: the program ran for longer than `--timeout`"),
        (ExitCode::Output, "`run`: the program wrote more than `--max-output`"),
        (ExitCode::Interrupted, "interrupted with Ctrl-C"),
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
