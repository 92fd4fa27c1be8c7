//! Links libstdc++, which Binaryen needs, statically.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CXX");
    // Loading it at each start would take as long as a whole build without a change, and a program that is copied to
    // another machine may not find it there.
    #[cfg(feature = "optimize")]
    if let Err(reason) = link_libstdcxx() {
        println!("cargo::warning=libstdc++ is linked dynamically: {reason}");
    }
}

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
    // A compiler that does not find the file prints its bare name.
    if library == Path::new(name) || !library.is_file() {
        return Err(format!("{} has no {name}", compiler.path().display()).into());
    }
    // In each folder, a linker prefers the shared library. It comes to this folder first, which has only the static one.
    let folder = PathBuf::from(of("OUT_DIR"));
    std::fs::copy(library, folder.join(name))?;
    println!("cargo::rustc-link-search=native={}", folder.display());
    Ok(())
}
