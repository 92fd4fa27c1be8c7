//! Binaryen's C++ library goes into the program: loading it at every start would take as long as all that a build
//! without a change does, and a program that was copied to another machine would miss it there.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CXX");
    #[cfg(feature = "optimize")]
    if let Err(reason) = link_libstdcxx() {
        println!("cargo::warning=libstdc++ is linked dynamically: {reason}");
    }
}

/// A linker looks for a shared library, then for a static one, in one folder after the other: in a folder with the
/// static one alone, which comes before the system's, that is what it finds.
#[cfg(feature = "optimize")]
fn link_libstdcxx() -> Result<(), Box<dyn std::error::Error>> {
    use std::path::{Path, PathBuf};

    let of = |name: &str| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_OS") != "linux" || of("CARGO_CFG_TARGET_ENV") != "gnu" {
        return Ok(());
    }
    let name = "libstdc++.a";
    let compiler = cc::Build::new().cpp(true).try_get_compiler()?;
    let output = compiler.to_command().arg(format!("-print-file-name={name}")).output()?;
    let library = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    // The bare name is the answer when there is none.
    if library == Path::new(name) || !library.is_file() {
        return Err(format!("{} has no {name}", compiler.path().display()).into());
    }
    let folder = PathBuf::from(of("OUT_DIR"));
    std::fs::copy(library, folder.join(name))?;
    println!("cargo::rustc-link-search=native={}", folder.display());
    Ok(())
}
