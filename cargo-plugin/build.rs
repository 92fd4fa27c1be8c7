//! On Linux the program has a fixed address: to move some fifty thousand pointers takes longer at every start than a
//! small module runs. Stack, heap, libraries and compiled modules are elsewhere each time all the same. What C++ runs
//! before `main`, some of it in each of Binaryen's files, lies together, so that less of the program has to be mapped.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |variable, value| std::env::var(variable).as_deref() == Ok(value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
        println!("cargo::rustc-link-arg-bins=-Wl,-z,keep-text-section-prefix");
    }
}
