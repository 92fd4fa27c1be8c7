//! Files and helpers with logins, as they are on users' machines.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::modes::User;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Registry, Run, tools};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn with_path(command: &mut Command, folder: &Path) {
    let path = std::env::join_paths(
        std::iter::once(folder.to_owned()).chain(std::env::split_paths(&tools::search_path())),
    );
    command.env("PATH", path.unwrap());
}

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
            // Binaryen has a warning of its own for the module, unless that is cached.
            let is_ours =
                |line: &&str| line.starts_with("warning: ") && !line.contains("subsection");
            let warnings: Vec<&str> = run.stderr.lines().filter(is_ours).collect();
            assert_eq!(warnings.len(), 1, "{}", run.stderr);
            assert!(
                warnings[0].contains("docker-credential-tests") && warnings[0].contains(reason),
                "{warnings:?}"
            );
        }
    }
}

#[test]
fn what_docker_podman_and_skopeo_keep_is_found() {
    let server = Registry::start_private();
    let host = server.host();
    let reference = format!("{host}/team/app:1");
    let auth =
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{USER}:{PASSWORD}"));
    let file = |key: &str| format!(r#"{{"auths":{{"{key}":{{"auth":"{auth}"}}}}}}"#);
    let helper = r#"#!/bin/sh
[ "$1" = get ] && server=$(cat) && printf '{"ServerURL":"%s","Username":"tester","Secret":"correct horse"}' "$server"
"#;
    let push = |user: &User, prepare: &dyn Fn(&mut Command)| {
        let mut command = user.command(&["push", "app.wasm", &reference]);
        prepare(&mut command);
        Run::of(&mut command)
    };
    // `docker login`, in its file.
    let user = User::new();
    write(&user.path("docker/config.json"), &file(host));
    let _docker = push(&user, &|_| {}).success();
    // In the variable that CI systems have.
    let user = User::new();
    let _variable = push(&user, &|command| {
        command.env("DOCKER_AUTH_CONFIG", file(host));
    })
    .success();
    // Our own variables, for one registry.
    let user = User::new();
    let own = |command: &mut Command| {
        command.env("WASM_OCI_USERNAME", USER).env("WASM_OCI_PASSWORD", PASSWORD);
    };
    let missing = push(&user, &own);
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    let _own = push(&user, &|command| {
        own(command);
        command.env("WASM_OCI_REGISTRY", host);
    })
    .success();
    let other = push(&user, &|command| {
        own(command);
        command.env("WASM_OCI_REGISTRY", "ghcr.io");
    });
    assert_eq!(other.code, 5, "{}", other.stderr);
    // podman's, also for one repository.
    for key in [host.to_owned(), format!("{host}/team"), format!("{host}/team/app")] {
        let user = User::new();
        let path = user.path("auth.json");
        write(&path, &file(&key));
        let _podman = push(&user, &|command| {
            command.env("REGISTRY_AUTH_FILE", &path);
        })
        .success();
    }
    // skopeo's own login, if it is one that has it.
    let user = User::new();
    let path = user.path("skopeo.json");
    let mut skopeo = Command::new(tools::program("skopeo"));
    skopeo
        .args(["login", host, "--tls-verify=false", "-u", USER, "--password-stdin", "--authfile"])
        .arg(&path);
    let _login = Run::with_stdin(&mut skopeo, PASSWORD).success();
    let _skopeo = push(&user, &|command| {
        command.env("REGISTRY_AUTH_FILE", &path);
    })
    .success();
    // Credential helpers: for all, and for one.
    let helpers = [
        r#"{"credsStore":"tests"}"#.to_owned(),
        format!(r#"{{"credHelpers":{{"{host}":"tests"}}}}"#),
    ];
    for config in helpers {
        let user = User::new();
        write(&user.path("docker/config.json"), &config);
        tools::script(&user.path("bin/docker-credential-tests"), helper);
        let _helper = push(&user, &|command| with_path(command, &user.path("bin"))).success();
        // One that fails says something that is nobody's business.
        tools::script(
            &user.path("bin/docker-credential-tests"),
            "#!/bin/sh\ncat\necho hunter2; echo hunter2 >&2; exit 1\n",
        );
        let failed = push(&user, &|command| with_path(command, &user.path("bin")));
        assert_eq!(failed.code, 5, "{}", failed.stderr);
        assert!(failed.stderr.contains("docker-credential-tests"), "{}", failed.stderr);
        assert!(!failed.stderr.contains("hunter2"), "{}", failed.stderr);
    }
}

#[test]
fn what_login_keeps_is_found_by_skopeo() {
    let server = Registry::start_private();
    let host = server.host();
    for variable in [None, Some("auth.json")] {
        let user = User::new();
        write(
            &user.path("docker/config.json"),
            r#"{"psFormat":"x","auths":{"other.io":{"auth":"eDp5"}}}"#,
        );
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        fs::set_permissions(user.path("docker/config.json"), mode).unwrap();
        let mut login = user.command(&["login", host, "-u", USER, "--password-stdin"]);
        let file = match variable {
            Some(name) => {
                login.env("REGISTRY_AUTH_FILE", user.path(name));
                user.path(name)
            }
            None => user.path("docker/config.json"),
        };
        let run = Run::with_stdin(&mut login, PASSWORD).success();
        assert!(!run.stderr.contains(PASSWORD), "{}", run.stderr);
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
        // A new file is private; one that is there keeps its mode.
        assert_eq!(mode & 0o777, if variable.is_some() { 0o600 } else { 0o640 });
        let mut push = user.command(&["push", "app.wasm", &format!("{host}/app:1")]);
        let _pushed = Run::of(push.env("REGISTRY_AUTH_FILE", &file)).success();
        let mut skopeo = Command::new(tools::program("skopeo"));
        skopeo.args(["inspect", "--raw", "--tls-verify=false", &format!("docker://{host}/app:1")]);
        let _skopeo = Run::of(skopeo.env("REGISTRY_AUTH_FILE", &file)).success();
        if variable.is_none() {
            let kept: serde_json::Value =
                serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            assert_eq!(kept["psFormat"], "x");
            let _out = user.run(&["logout", host]).success();
            let kept: serde_json::Value =
                serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            assert_eq!(kept["auths"].as_object().unwrap().keys().collect::<Vec<_>>(), ["other.io"]);
        }
    }
}

#[test]
fn login_and_logout_use_the_helper_that_there_is() {
    let (user, server) = (User::new(), Registry::start_private());
    write(&user.path("docker/config.json"), r#"{"credsStore":"tests"}"#);
    // It keeps what it is told in a file.
    let kept = user.path("kept");
    let script = format!(
        "#!/bin/sh\nf={}\ncase $1 in store) cat >$f;; erase) rm -f $f;; get) cat $f;; esac\n",
        kept.display()
    );
    tools::script(&user.path("bin/docker-credential-tests"), &script);
    let mut login = user.command(&["login", server.host(), "-u", USER, "--password-stdin"]);
    with_path(&mut login, &user.path("bin"));
    let run = Run::with_stdin(&mut login, PASSWORD).success();
    assert!(run.stderr.contains("credential helper `tests`"), "{}", run.stderr);
    assert!(fs::read_to_string(&kept).unwrap().contains(PASSWORD));
    assert!(!fs::read_to_string(user.path("docker/config.json")).unwrap().contains(PASSWORD));
    let mut push = user.command(&["push", "app.wasm", &format!("{}/app:1", server.host())]);
    with_path(&mut push, &user.path("bin"));
    let _pushed = Run::of(&mut push).success();
    let mut logout = user.command(&["logout", server.host()]);
    with_path(&mut logout, &user.path("bin"));
    let _out = Run::of(&mut logout).success();
    assert!(!kept.exists());
}
