//! Exit codes of both commands. A test compares them with `docs/exit-codes.md`.

macro_rules! exit_codes {
    ($($Name:ident = $code:literal: $meaning:literal,)+) => {
        /// The exit code of a process.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum ExitCode {
            $(#[doc = $meaning] $Name = $code,)+
        }

        impl ExitCode {
            /// All exit codes with their meanings.
            pub const ALL: &[(ExitCode, &'static str)] = &[$((ExitCode::$Name, $meaning)),+];
        }
    };
}

exit_codes! {
    Success = 0: "everything was done",
    Failure = 1: "another failure, such as an unreadable file or an invalid setting",
    Usage = 2: "invalid arguments",
    Invalid = 3: "the module is not WebAssembly, not valid, or refused because of its imports, its capabilities or its required runtimes",
    Registry = 4: "the registry can't be reached, refuses the request, or doesn't have the image",
    Authentication = 5: "the registry needs other credentials or permissions",
    SizeBudget = 6: "the module or its image is larger than its `size-budget`",
    SmokeTest = 7: "a smoke test failed",
    Different = 8: "`verify-rebuild`: the sources produce a different image",
    NotTaken = 9: "an engine that `--for` selects can't start the image",
    OverLimit = 10: "the image exceeds a limit for reading it (`--read-limit`)",
    // The code that cargo uses itself.
    Build = 101: "`cargo build` failed; its own messages say why",
    Memory = 120: "`run`: the program needed more memory than `--memory`",
    TableElements = 121: "`run`: the program needed more than `--max-table-elements`",
    Instances = 122: "`run`: the program needed more than `--max-instances`",
    Fuel = 123: "`run`: the program used up its `--fuel`",
    // The code that coreutils' `timeout` uses.
    Timeout = 124: "`run`: the program ran for longer than `--timeout`",
    Output = 125: "`run`: the program wrote more than `--max-output`",
    // 128 + SIGINT, as in shells.
    Interrupted = 130: "interrupted with Ctrl-C",
    // 128 + SIGABRT, as a native program that aborts.
    Trap = 134: "`run`: the program was stopped by a trap",
}

impl ExitCode {
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> std::process::ExitCode {
        std::process::ExitCode::from(code.code())
    }
}
