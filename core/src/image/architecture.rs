//! Processor architectures of standalone images.

use super::Platform;

named_enum! {
    /// Processor architecture that native code is for, by its name in platforms (image-spec, image-index.md, which takes
    /// those of Go).
    pub enum Architecture: "architecture" {
        /// x86-64, every processor of it.
        Amd64 = "amd64",
        /// 64-bit ARM, every processor of it.
        Arm64 = "arm64",
    }
}

impl Architecture {
    /// Returns the target of Rust, and of wasmtime's code, for a static Linux program.
    #[must_use]
    pub fn triple(self) -> &'static str {
        match self {
            Architecture::Amd64 => "x86_64-unknown-linux-musl",
            Architecture::Arm64 => "aarch64-unknown-linux-musl",
        }
    }

    /// Returns the architecture of this program, or amd64 if there is no value for it.
    #[must_use]
    pub fn of_this_machine() -> Architecture {
        if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::Amd64 }
    }

    /// Returns the platform of Linux on such a processor.
    #[must_use]
    pub fn platform(self) -> Platform {
        Platform::new("linux", self.name())
    }
}
