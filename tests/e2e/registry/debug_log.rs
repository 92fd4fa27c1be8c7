//! The debug log of `-vv`: each request, and no secret.

use super::modes::User;
use crate::harness::Registry;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::run::Run;

/// Logs in, pushes with `flags`, and returns what the push writes to standard error.
fn push(server: &Registry, flags: &[&str]) -> String {
    let (user, reference) = (User::new(), format!("{}/app:1", server.host()));
    let words = ["login", server.host(), "-u", USER, "--password-stdin"];
    // The token server is on another port than the registry.
    let command = |words: &[&str]| {
        let mut command = user.command(words);
        command.env("WASM_OCI_PRIVATE_HOSTS", "127.0.0.1");
        command
    };
    let _login = Run::with_stdin(&mut command(&words), PASSWORD).success();
    Run::of(&mut command(&[&["push", "app.wasm", &reference], flags].concat())).success().stderr
}

fn requests(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains(" status=")).collect()
}

#[test]
fn each_request_is_logged_without_secrets() {
    let base64 =
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{USER}:{PASSWORD}"));
    for server in [Registry::start(), Registry::start_private(), Registry::start_token()] {
        let log = push(&server, &["-vv"]);
        let manifest = format!("PUT http://{}/v2/app/manifests/1 ", server.host());
        let put = requests(&log).into_iter().find(|line| line.contains(&manifest));
        let put = put.unwrap_or_else(|| panic!("no {manifest} in\n{log}"));
        assert!(put.starts_with("    debug wasm_oci_core::store::registry::"), "{put}");
        for field in ["status=201", "ms=", "sent=", "request=", "attempt=1"] {
            assert!(put.contains(field), "no {field} in {put}");
        }
        for method in ["HEAD", "POST", "PUT"] {
            assert!(requests(&log).iter().any(|line| line.contains(&format!("{method} http"))));
        }
        for secret in [PASSWORD, base64.as_str(), "eyJ"] {
            assert!(!log.contains(secret), "{secret} in\n{log}");
        }
        assert!(!log.contains("_state=") || log.contains("_state=<redacted>"), "{log}");
    }
}

#[test]
fn the_log_says_who_gets_credentials() {
    let basic = push(&Registry::start_private(), &["-vv"]);
    assert!(basic.contains("authorization=\"Basic\""), "{basic}");
    let token = push(&Registry::start_token(), &["-vv"]);
    assert!(token.contains("authorization=\"Bearer\""), "{token}");
    assert!(token.contains("sending name and password to the token server"), "{token}");
}

#[test]
fn without_it_nothing_is_logged() {
    for flags in [&[][..], &["-v"]] {
        let log = push(&Registry::start_private(), flags);
        assert!(!log.contains("debug wasm_oci") && requests(&log).is_empty(), "{log}");
    }
}
