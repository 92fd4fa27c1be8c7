//! Pushes and pulls that are killed, and one that the user ends with Ctrl-C.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::modes::User;
use super::{tag, wait};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::{Registry, Run, cargo_wasm_oci, signal};

/// Bytes that don't compress, so that they take some time.
fn module(seed: u64) -> Vec<u8> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let noise: String = (0..60_000).map(|_| format!("\\{:02x}", dice.u8(..))).collect();
    let text = format!(
        r#"(module (memory (export "memory") 8) (data (i32.const 0) "{noise}") (func (export "_start")))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn fifty_kills_tear_nothing() {
    use wasm_oci_core::store::{Layout, Name, load};
    let (user, server) = (User::new(), Registry::start());
    let seed = fastrand::u64(..);
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut digests = Vec::new();
    for n in 0..2 {
        let layout = format!("v{n}");
        std::fs::write(user.path("app.wasm"), module(n)).unwrap();
        let _packed = user.run(&["pack", "app.wasm", "--oci-layout-path", &layout]).success();
        let layout = Layout::open(&user.path(&layout)).unwrap();
        digests.push(wait(load(&layout, &Name::Tag(tag("latest")))).unwrap().digest());
    }
    let reference = format!("{}/app:latest", server.host());
    let _first = user.run(&["push", "oci:v0", &reference]).success();
    let direct = super::repository(server.host(), "app");
    for n in 0..50 {
        let context = format!("kill {n} of the seed {seed}");
        let pull = dice.bool();
        // A new repository each time, where all has to be sent.
        let name = format!("{}/r{n}:latest", server.host());
        let words: &[&str] = match pull {
            true => &["pull", &reference, "--oci-layout-path", "pulled"],
            false => &["push", "oci:v1", if n % 2 == 0 { &name } else { &reference }],
        };
        let mut command = user.command(words);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_micros(dice.u64(0..60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let there = wait(load(&direct, &Name::Tag(tag("latest"))))
            .unwrap_or_else(|e| panic!("{context}: {e}"));
        assert!(digests.contains(&there.digest()), "{context}");
        if user.path("pulled/oci-layout").exists() {
            let layout = Layout::open(&user.path("pulled")).unwrap();
            for (found, _) in layout.images().unwrap() {
                wait(load(&layout, &Name::Tag(found.unwrap())))
                    .unwrap_or_else(|e| panic!("{context}: {e}"));
            }
        }
        if let Ok(image) = wait(load(
            &super::repository(server.host(), &format!("r{n}")),
            &Name::Tag(tag("latest")),
        )) {
            assert_eq!(image.digest(), digests[1], "{context}");
        }
    }
    // And nothing stands in the way of the next.
    let _pulled = user.run(&["pull", &reference, "--oci-layout-path", "pulled"]).success();
    let _pushed = user.run(&["push", "oci:v1", &reference]).success();
}

#[test]
fn ctrl_c_says_how_far_it_came() {
    let (user, server) = (User::new(), Registry::start());
    let proxy = Proxy::before(server.host());
    proxy.set(|request| if request.is("PUT", "/manifests/") { Fault::Stall } else { Fault::None });
    let reference = format!("{}/app:1", proxy.host());
    let mut push = user.command(&["push", "app.wasm", &reference]);
    let child = push.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !proxy.take_requests().iter().any(|request| request.is("PUT", "/manifests/")) {
        thread::sleep(Duration::from_millis(5));
    }
    signal(&child, "INT");
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, 130, "{}", run.stderr);
    assert!(
        run.stderr.contains("Stopped") && run.stderr.contains("need not be sent again"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.is_empty());
}

#[test]
fn a_workspace_of_which_one_program_fails_says_what_went_up() {
    let (folder, server) = (tempfile::tempdir().unwrap(), Registry::start());
    let proxy = Proxy::before(server.host());
    let refused = Fault::Answer(403, Vec::new());
    proxy.set(
        move |request| {
            if request.path.starts_with("/v2/b/") { refused.clone() } else { Fault::None }
        },
    );
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[package]\nname = \"three\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    for name in ["a", "b", "c"] {
        write(&format!("src/bin/{name}.rs"), "fn main() {}\n");
    }
    let mut push = cargo_wasm_oci();
    push.args(["wasm-oci", "push", &format!("{}/{{bin}}:1", proxy.host())])
        .current_dir(folder.path());
    let run = Run::of(&mut push);
    assert_eq!(run.code, 5, "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    let host = proxy.host();
    assert!(run.stdout.starts_with(&format!("{host}/a@sha256:")), "{}", run.stdout);
    let pushed = format!("Pushed {host}/a, completely");
    assert!(
        run.stderr.contains(&pushed) && run.stderr.contains(&format!("Not pushed {host}/c")),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("denies access"), "{}", run.stderr);
}
