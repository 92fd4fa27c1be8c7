use std::path::Path;

use fs_err as fs;

use super::{Sandbox, manifest, quiet};
use crate::cargo::leaked_paths::leaked_paths;

/// A program with a member, a build script, a dependency in cargo's home and one outside the workspace. All can panic.
fn project(folder: &str, home: &str) -> Sandbox {
    let in_app = |path: &str| format!("{folder}/app/{path}");
    let in_home = |path: &str| format!("{home}/{path}");
    let fails =
        |name: &str| format!("#[inline(never)] pub fn {name}(n: usize) -> u8 {{ [1, 2, 3][n] }}");
    let app = manifest("app")
        + "[workspace]\nmembers = ['member']\n[dependencies]\nmember = { path = 'member' }\nvendored = '1'\n\
           beside = { path = '../beside' }\n";
    let script = "fn main() {\n let out = std::env::var(\"OUT_DIR\").unwrap() + \"/made.rs\";\n \
                  std::fs::copy(\"member/src/lib.rs\", out).unwrap();\n}";
    let main = "mod made { include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\")); }\nfn main() {\n \
                let n = std::env::args().count();\n \
                println!(\"{}\", made::f(n) + member::f(n) + beside::f(n) + vendored::f(n));\n}";
    let mut sandbox = Sandbox::new(&[
        (&in_app("Cargo.toml"), &app),
        (&in_app("build.rs"), script),
        (&in_app("src/main.rs"), main),
        (&in_app("member/Cargo.toml"), &manifest("member")),
        (&in_app("member/src/lib.rs"), &fails("f")),
        (&format!("{folder}/beside/Cargo.toml"), &manifest("beside")),
        (&format!("{folder}/beside/src/lib.rs"), &fails("f")),
        (&in_home("vendor/vendored/Cargo.toml"), &manifest("vendored")),
        (&in_home("vendor/vendored/src/lib.rs"), &fails("f")),
        (&in_home("vendor/vendored/.cargo-checksum.json"), "{\"files\":{}}"),
    ]);
    let vendor = sandbox.root().join(home).join("vendor");
    let config =
        format!("[source.crates-io]\nreplace-with = 'v'\n[source.v]\ndirectory = {:?}\n", vendor);
    sandbox.write(&in_home("config.toml"), &config);
    sandbox.set("CARGO_HOME", sandbox.root().join(home));
    sandbox
}

/// Returns all sections except custom ones: names contain hashes of the folder of `beside`.
fn code(module: &[u8]) -> Vec<&[u8]> {
    let mut sections = Vec::new();
    let mut rest = &module[8..];
    while let [id, body @ ..] = rest {
        let (mut len, mut shift, mut at) = (0, 0, 0);
        loop {
            len |= usize::from(body[at] & 127) << shift;
            (shift, at) = (shift + 7, at + 1);
            if body[at - 1] < 128 {
                break;
            }
        }
        sections.extend((*id != 0).then_some(&body[at..at + len]));
        rest = &body[at + len..];
    }
    sections
}

fn built(sandbox: &Sandbox, folder: &str) -> Vec<u8> {
    let built = sandbox.build_with(&format!("{folder}/app"), quiet(), &mut |_| {}).expect("built");
    let module = fs::read(&built.programs[0].module.wasm).expect("a module");
    let root = sandbox.root();
    let folders: Vec<_> =
        built.private_paths.iter().map(|it| it.as_path()).chain([root.as_path()]).collect();
    assert_eq!(leaked_paths(&module, &folders), [""; 0]);
    assert!(folders.contains(&Path::new(&root.join(folder).join("beside"))));
    module
}

#[test]
fn two_folders_and_two_homes_make_the_same_module() {
    let one = built(&project("one", "home"), "one");
    let other = built(
        &project("another/and/deeper", "another/and/deeper/app/.cargo"),
        "another/and/deeper",
    );
    for name in ["/target/wasm32-wasip1", "/vendor/vendored", "/deps/beside"] {
        assert!(one.windows(name.len()).any(|bytes| bytes == name.as_bytes()), "{name}");
    }
    assert!(code(&one) == code(&other));
}
