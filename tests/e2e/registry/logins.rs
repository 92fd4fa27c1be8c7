//! Files and helpers with logins, as they are on users' machines.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::modes::{User, with_path, write};
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Registry, Run, tools};

fn auth() -> String {
    BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"))
}

fn login(user: &User, host: &str) -> Command {
    user.command(&["login", host, "-u", USER, "--password-stdin"])
}

fn auths(file: &Path) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    json["auths"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn twelve_logins_at_once_are_all_kept() {
    let servers: Vec<Registry> = (0..12).map(|_| Registry::start_private()).collect();
    let user = User::new();
    let file = user.path("docker/config.json");
    write(&file, r#"{"psFormat":"x"}"#);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root may give a file away.
    let owner = if fs::metadata("/proc/self").unwrap().uid() == 0 { 65534 } else { 0 };
    if owner != 0 {
        std::os::unix::fs::chown(&file, Some(owner), Some(owner)).unwrap();
    }
    thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| Run::with_stdin(&mut login(&user, server.host()), PASSWORD).success());
        }
    });
    let mut kept = auths(&file);
    let mut expected: Vec<String> = servers.iter().map(|it| it.host().to_owned()).collect();
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected);
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o640);
    assert_eq!(metadata.uid(), if owner == 0 { metadata.uid() } else { owner });
    let left: Vec<_> = fs::read_dir(user.path("docker")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn an_empty_file_is_no_login_and_takes_one() {
    let server = Registry::start_private();
    for content in ["", "\n", "\u{feff}", "{}", r#"{"auths":null}"#] {
        let user = User::new();
        let file = user.path("docker/config.json");
        write(&file, content);
        let push = ["push", "app.wasm", &format!("{}/app:1", server.host())];
        let refused = user.run(&push);
        assert_eq!(refused.code, 5, "{content:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("requires a login"), "{}", refused.stderr);
        let _in = Run::with_stdin(&mut login(&user, server.host()), PASSWORD).success();
        assert_eq!(auths(&file), [server.host()]);
        let _pushed = user.run(&push).success();
    }
}

#[test]
fn keys_are_found_in_the_spellings_of_all_tools() {
    let server = Registry::start_private();
    let host = server.host();
    let reference = format!("{host}/team/app:1");
    for key in [
        format!("{host}/"),
        format!("http://{host}"),
        format!("https://{host}/v2/"),
        format!("{host}/team"),
        format!("{host}/team/"),
        format!("{host}/team/app"),
    ] {
        let user = User::new();
        // The empty entry of a helper does not hide it.
        let file =
            format!(r#"{{"auths":{{"{host}":{{"auth":""}},"{key}":{{"auth":"{}"}}}}}}"#, auth());
        write(&user.path("docker/config.json"), &file);
        let run = user.run(&["push", "app.wasm", &reference]);
        assert_eq!(run.code, 0, "{key}: {}", run.stderr);
    }
    let user = User::new();
    let file = format!(r#"{{"auths":{{"{host}/other":{{"auth":"{}"}}}}}}"#, auth());
    write(&user.path("docker/config.json"), &file);
    assert_eq!(user.run(&["push", "app.wasm", &reference]).code, 5);
}

#[test]
fn podman_s_login_is_found_where_podman_keeps_it() {
    let server = Registry::start_private();
    let reference = format!("{}/app:1", server.host());
    let file = format!(r#"{{"auths":{{"{}":{{"auth":"{}"}}}}}}"#, server.host(), auth());
    let places: [(&str, Option<(&str, &str)>); 3] = [
        (".config/containers/auth.json", None),
        ("run/containers/auth.json", Some(("XDG_RUNTIME_DIR", "run"))),
        ("config/containers/auth.json", Some(("XDG_CONFIG_HOME", "config"))),
    ];
    for (place, variable) in places {
        let user = User::new();
        write(&user.path(place), &file);
        let mut push = user.command(&["push", "app.wasm", &reference]);
        push.env_remove("XDG_CONFIG_HOME");
        if let Some((name, folder)) = variable {
            push.env(name, user.path(folder));
        }
        let run = Run::of(&mut push);
        assert_eq!(run.code, 0, "{place}: {}", run.stderr);
    }
}

#[test]
fn a_helper_that_can_t_be_used_is_a_warning() {
    let server = Registry::start();
    let host = server.host();
    let nothing = "#!/bin/sh\ncat >/dev/null\n";
    let empty = "#!/bin/sh\ncat >/dev/null; echo '{\"ServerURL\":\"\",\"Username\":\"\",\"Secret\":\"\"}'\n";
    for (helper, reason) in [
        (None, "is not installed"),
        (Some(empty), "names no user"),
        (Some(nothing), "names no user"),
    ] {
        for config in [
            r#"{"credsStore":"tests"}"#.to_owned(),
            format!(r#"{{"credHelpers":{{"{host}":"tests"}}}}"#),
        ] {
            let user = User::new();
            write(&user.path("docker/config.json"), &config);
            fs::create_dir_all(user.path("bin")).unwrap();
            if let Some(helper) = helper {
                tools::script(&user.path("bin/docker-credential-tests"), helper);
            }
            let mut push = user.command(&["push", "app.wasm", &format!("{host}/app:1")]);
            with_path(&mut push, &user.path("bin"));
            let run = Run::of(&mut push).success();
            let warnings: Vec<&str> =
                run.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
            assert_eq!(warnings.len(), 1, "{}", run.stderr);
            assert!(
                warnings[0].contains("docker-credential-tests") && warnings[0].contains(reason),
                "{warnings:?}"
            );
        }
    }
}
